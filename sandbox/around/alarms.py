"""CloudWatch alarms that are evaluated every minute of world time."""

from __future__ import annotations

import json
import operator
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.around.metrics import Metrics, metric_of, minutes_of, moment, query_points
from sandbox.around.registry import Document
from sandbox.around.samples import check_statistic, combined, statistic
from sandbox.around.series import minute_of
from sandbox.names import partition
from sandbox.ports import ApiError

Place = tuple[str, str]
HISTORY = 500
UNCHECKED = "Unchecked: Initial alarm creation"

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True, slots=True)
class HistoryItem:
    at: datetime
    kind: str
    summary: str
    data: str


@dataclass(slots=True)
class Alarm:
    """A metric alarm; `config` holds the members that PutMetricAlarm was given."""

    name: str
    arn: str
    config: Document
    configured_at: datetime
    state: str = "INSUFFICIENT_DATA"
    reason: str = UNCHECKED
    reason_data: str = ""
    updated_at: datetime | None = None
    transitioned_at: datetime | None = None
    latest: float | None = None
    history: deque[HistoryItem] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def actions(self) -> list[str]:
        """Return what is to be done in the present state."""
        if self.config.get("ActionsEnabled") is False:
            return []
        member = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(self.state, "InsufficientDataActions")
        return list(self.config.get(member) or [])


Listener = Callable[[Place, Alarm, str], None]


class Alarms:
    """All alarms of one world; `listeners` hear of every change with the state that was, and of each minute in ALARM."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._alarms: dict[Place, dict[str, Alarm]] = defaultdict(dict)
        self.listeners: list[Listener] = []

    @property
    def now(self) -> datetime:
        return self._metrics.sources.world.now

    def __len__(self) -> int:
        return sum(len(alarms) for alarms in self._alarms.values())

    def of(self, place: Place) -> dict[str, Alarm]:
        """Return a region's alarms by name, in the order in which they were made."""
        return self._alarms[place]

    def in_alarm(self, account_id: str, region: str, names: Iterable[str]) -> set[str]:
        """Return which of the named alarms are in ALARM."""
        alarms = self._alarms.get((account_id, region), {})
        return {name for name in names if name in alarms and alarms[name].state == "ALARM"}

    def put(self, place: Place, config: Document) -> Alarm:
        """Create an alarm, or change one, which keeps its state until it is next evaluated."""
        name = config["AlarmName"]
        alarms = self._alarms[place]
        known = alarms.get(name)
        if known is None:
            account_id, region = place
            arn = f"arn:{partition(region)}:cloudwatch:{region}:{account_id}:alarm:{name}"
            known = alarms[name] = Alarm(name, arn, config, self.now, updated_at=self.now)
            self._note(known, "ConfigurationUpdate", f'Alarm "{name}" created', {"type": "Create"})
        else:
            known.config, known.configured_at = config, self.now
            self._note(known, "ConfigurationUpdate", f'Alarm "{name}" updated', {"type": "Update"})
        return known

    def check(self, place: Place, config: Document) -> None:
        """Refuse a configuration whose datapoints could not be read every minute."""
        self._datapoints(place, config, int(config["EvaluationPeriods"]))

    def delete(self, place: Place, name: str) -> None:
        self._alarms[place].pop(name, None)

    def evaluate(self) -> None:
        """Evaluate every alarm; to be called once a minute."""
        for place, alarms in list(self._alarms.items()):
            for alarm in list(alarms.values()):
                self._evaluate(place, alarm)

    def set_state(self, place: Place, alarm: Alarm, state: str, reason: str, data: str = "") -> None:
        """Bring an alarm into a state and tell the listeners, also when it was in ALARM already."""
        before, changed = alarm.state, alarm.state != state
        alarm.state = state
        if changed or alarm.reason == UNCHECKED:
            alarm.reason, alarm.reason_data = reason, data
            alarm.updated_at = self.now
        if changed:
            alarm.transitioned_at = self.now
            self._note(
                alarm,
                "StateUpdate",
                f"Alarm updated from {before} to {state}",
                {
                    "oldState": {"stateValue": before},
                    "newState": {"stateValue": state, "stateReason": reason},
                },
            )
        if changed or state == "ALARM":
            for listener in self.listeners:
                listener(place, alarm, before)

    def _note(self, alarm: Alarm, kind: str, summary: str, data: Document) -> None:
        text = json.dumps({"version": "1.0", **data})
        alarm.history.appendleft(HistoryItem(self.now, kind, summary, text))

    def _evaluate(self, place: Place, alarm: Alarm) -> None:
        config = alarm.config
        number = int(config["EvaluationPeriods"])
        needed = int(config.get("DatapointsToAlarm") or number)
        points = self._datapoints(place, config, number)
        alarm.latest = next((value for _, value in reversed(points) if value is not None), None)
        compare, _ = COMPARISONS[config["ComparisonOperator"]]
        threshold = float(config["Threshold"])
        missing = config.get("TreatMissingData") or "missing"
        known = [compare(value, threshold) for _, value in points if value is not None]
        bad, absent = sum(known), number - len(known)
        if missing == "breaching":
            bad, absent = bad + absent, 0
        elif missing == "notBreaching":
            absent = 0
        if bad >= needed:
            self._conclude(place, alarm, "ALARM", points, needed)
        elif absent == number:
            if missing == "missing":
                self._conclude(place, alarm, "INSUFFICIENT_DATA", points, needed)
        elif number - absent - bad > number - needed:
            self._conclude(place, alarm, "OK", points, needed)

    def _datapoints(self, place: Place, config: Document, number: int) -> list[tuple[int, float | None]]:
        """Return the values of the last periods that are over, oldest first."""
        now = minute_of(self.now)
        if config.get("Metrics"):
            return self._expression(place, config["Metrics"], number, now)
        period = minutes_of(config.get("Period"))
        first = now - number * period
        minutes = self._metrics.read(place, metric_of(config), first, now - 1)
        stat = config.get("Statistic") or config.get("ExtendedStatistic") or "Average"
        check_statistic(stat)
        points: list[tuple[int, float | None]] = []
        for start in range(first, now, period):
            sample = combined(minutes[at] for at in range(start, start + period) if at in minutes)
            points.append((start, statistic(sample, stat) if sample else None))
        return points

    def _expression(
        self, place: Place, queries: list[Document], number: int, now: int
    ) -> list[tuple[int, float | None]]:
        periods = [minutes_of(item["MetricStat"].get("Period")) for item in queries if item.get("MetricStat")]
        shown = [item["Id"] for item in queries if item.get("ReturnData") is not False]
        if not periods or len(shown) != 1:
            raise ApiError(
                "ValidationError",
                "Metrics must name at least one metric and return the data of exactly one query.",
            )
        period = max(periods)
        end = now // period * period
        found = query_points(self._metrics, place, queries, (end - number * period, end))
        starts = [end - (number - index) * period for index in range(number)]
        return [(start, found.get(shown[0], {}).get(start)) for start in starts]

    def _conclude(
        self, place: Place, alarm: Alarm, state: str, points: list[tuple[int, float | None]], needed: int
    ) -> None:
        config = alarm.config
        known = [(at, value) for at, value in points if value is not None]
        data = {
            "version": "1.0",
            "queryDate": self.now.isoformat(timespec="milliseconds"),
            "statistic": config.get("Statistic"),
            "period": config.get("Period"),
            "recentDatapoints": [value for _, value in known],
            "threshold": config["Threshold"],
        }
        self.set_state(place, alarm, state, _reason(config, state, points, needed), json.dumps(data))


def _reason(config: Document, state: str, points: list[tuple[int, float | None]], needed: int) -> str:
    """Say why, in CloudWatch's words."""
    if state == "INSUFFICIENT_DATA":
        number = len(points)
        return f"Insufficient Data: {number} datapoint{'s were' if number > 1 else ' was'} unknown."
    compare, words = COMPARISONS[config["ComparisonOperator"]]
    threshold, total = float(config["Threshold"]), len(points)
    wanted = state == "ALARM"
    shown = [(at, value) for at, value in points if value is not None and compare(value, threshold) is wanted]
    texts = ", ".join(f"{value} ({moment(at):%d/%m/%y %H:%M:%S})" for at, value in reversed(shown[-5:]))
    verb = ("were" if len(shown) != 1 else "was") + ("" if wanted else " not")
    least = needed if wanted else total - needed + 1
    change = "OK -> ALARM" if wanted else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {total} datapoints [{texts}] {verb} {words} the threshold "
        f"({threshold}) (minimum {least} datapoint{'s' if least > 1 else ''} for {change} transition)."
    )
