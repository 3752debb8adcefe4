"""CloudWatch metrics: made when they are asked for, or kept because somebody put them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox.around import series
from sandbox.around.expressions import Points, evaluate
from sandbox.around.registry import Ask, Document, answers
from sandbox.around.samples import Sample, check_statistic, combined, statistic
from sandbox.around.series import Metric, Series, Sources, compute, known_metrics, last_minute, minute_of
from sandbox.ports import ApiError

QUERIES, POINTS, STATISTICS_POINTS, LIST_PAGE = 500, 100_800, 1_440, 500
# One-minute points of two weeks.
KEPT_MINUTES = 20_160


class Metrics:
    """Reads the metrics of one world; keeps those that clients put."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._put: dict[tuple[str, str], dict[Metric, Series]] = defaultdict(dict)

    def put(self, place: tuple[str, str], metric: Metric, minute: int, sample: Sample) -> None:
        """Add a measurement to a minute."""
        kept = self._put[place].setdefault(metric, {})
        if minute in kept:
            kept[minute].add(sample)
        else:
            kept[minute] = sample
        while len(kept) > KEPT_MINUTES:
            del kept[min(kept)]

    def own(self, place: tuple[str, str]) -> list[Metric]:
        """List the metrics that clients put."""
        return list(self._put[place])

    def read(self, place: tuple[str, str], metric: Metric, first: int, last: int) -> Series:
        """Return a metric's minutes."""
        own = self._put[place].get(metric)
        if own is not None:
            return {minute: own[minute] for minute in sorted(own) if first <= minute <= last}
        return compute(self.sources, self.sources.world.region(*place), metric, first, last)

    def points(
        self, place: tuple[str, str], metric: Metric, stat: str, period: int, span: tuple[int, int]
    ) -> Points:
        """Return a statistic by the start of each period of `period` minutes, in minutes since the epoch."""
        return {
            start: statistic(sample, stat)
            for start, sample in self.periods(place, metric, period, span).items()
        }

    def periods(self, place: tuple[str, str], metric: Metric, period: int, span: tuple[int, int]) -> Series:
        """Return the statistic sets of the whole periods that begin in [start, end)."""
        start, end = span[0] // period * period, span[1]
        minutes = self.read(place, metric, start, -(-end // period) * period - 1)
        grouped: dict[int, list[Sample]] = defaultdict(list)
        for minute, sample in minutes.items():
            grouped[minute // period * period].append(sample)
        found = {at: combined(samples) for at, samples in sorted(grouped.items()) if at < end}
        return {at: sample for at, sample in found.items() if sample is not None}


def metric_of(document: Document) -> Metric:
    """Read a metric's name from a document with Namespace, MetricName and Dimensions."""
    pairs = ((item["Name"], item["Value"]) for item in document.get("Dimensions") or [])
    return Metric(document.get("Namespace") or "", document.get("MetricName") or "", tuple(sorted(pairs)))


def minutes_of(period: int | None) -> int:
    """Return a period given in seconds in minutes; high-resolution periods read as one minute."""
    seconds = int(period or 60)
    if seconds not in (1, 5, 10, 20, 30) and (seconds <= 0 or seconds % 60):
        raise ApiError("ValidationError", "The parameter Period must be a multiple of 60.")
    return max(1, seconds // 60)


def moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def span_of(params: Document) -> tuple[int, int]:
    """Return the asked span in minutes, end excluded."""
    start, end = params["StartTime"], params["EndTime"]
    if start >= end:
        raise ApiError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    return minute_of(start), -(-int(end.timestamp()) // 60)


def query_points(
    metrics: Metrics, place: tuple[str, str], queries: list[Document], span: tuple[int, int]
) -> dict[str, Points]:
    """Evaluate metric queries, those with expressions after those that they name."""
    found: dict[str, Points] = {}
    for query in queries:
        stat = query.get("MetricStat")
        if stat:
            check_statistic(stat["Stat"])
            metric, period = metric_of(stat["Metric"]), minutes_of(stat.get("Period"))
            found[query["Id"]] = metrics.points(place, metric, stat["Stat"], period, span)
    plain = list(found.values())
    waiting = [query for query in queries if query.get("Expression")]
    for _ in range(len(waiting)):
        for query in [item for item in waiting if item["Id"] not in found]:
            if all(
                other["Id"] in found or not _names(query, other["Id"])
                for other in waiting
                if other is not query
            ):
                step = minutes_of(query.get("Period") or _period_of(queries))
                times = list(
                    range(span[0] // step * step, min(span[1], last_minute(metrics.sources.world) + 1), step)
                )
                found[query["Id"]] = evaluate(query["Expression"], found, plain, times)
    return found


def _names(query: Document, other: str) -> bool:
    words = "".join(char if char.isalnum() or char == "_" else " " for char in query["Expression"]).split()
    return other in words


def _period_of(queries: Iterable[Document]) -> int:
    return max(
        (int(item["MetricStat"].get("Period") or 60) for item in queries if item.get("MetricStat")),
        default=60,
    )


@answers("cloudwatch", "GetMetricData")
def get_metric_data(ask: Ask, params: Document) -> Document:
    """Answer up to 500 queries; a page holds at most MaxDatapoints points of all of them together."""
    queries = params["MetricDataQueries"]
    if len(queries) > QUERIES:
        raise ApiError(
            "ValidationError",
            f"The collection MetricDataQueries must not have a size greater than {QUERIES}.",
        )
    if len({item["Id"] for item in queries}) < len(queries):
        raise ApiError("ValidationError", "The values for parameter Id in MetricDataQueries are not unique.")
    found = query_points(ask.around.metrics, ask.place, queries, span_of(params))
    oldest_first = params.get("ScanBy") == "TimestampAscending"
    shown = [item for item in queries if item.get("ReturnData") is not False]
    rows = [
        (item["Id"], at, value)
        for item in shown
        for at, value in sorted(found.get(item["Id"], {}).items(), reverse=not oldest_first)
    ]
    size = min(int(params.get("MaxDatapoints") or POINTS), POINTS)
    label = f"metric-data {params['StartTime']} {params['EndTime']} {[item['Id'] for item in queries]}"
    chosen, token = ask.around.pages.cut(
        rows, params.get("NextToken"), size, label=label, code="InvalidNextToken"
    )
    results = []
    for item in shown:
        mine = [(at, value) for name, at, value in chosen if name == item["Id"]]
        results.append(
            {
                "Id": item["Id"],
                "Label": item.get("Label") or _label(item),
                "Timestamps": [moment(at) for at, _ in mine],
                "Values": [value for _, value in mine],
                "StatusCode": "PartialData"
                if token and chosen and chosen[-1][0] == item["Id"]
                else "Complete",
            }
        )
    return {"MetricDataResults": results, "NextToken": token, "Messages": []}


def _label(query: Document) -> str:
    stat = query.get("MetricStat")
    return str(stat["Metric"]["MetricName"]) if stat else str(query["Id"])


_UNITS = {
    "CPUUtilization": "Percent",
    "MemoryUtilization": "Percent",
    "TargetResponseTime": "Seconds",
    "CpuUtilized": "None",
    "CpuReserved": "None",
    "MemoryUtilized": "Megabytes",
    "MemoryReserved": "Megabytes",
}


@answers("cloudwatch", "GetMetricStatistics")
def get_metric_statistics(ask: Ask, params: Document) -> Document:
    """Answer the older form: one metric, several statistics, at most 1,440 points."""
    names = [*(params.get("Statistics") or ()), *(params.get("ExtendedStatistics") or ())]
    if not names:
        raise ApiError("MissingParameter", "Must specify either Statistics or ExtendedStatistics.")
    for name in names:
        check_statistic(name)
    span, period = span_of(params), minutes_of(params.get("Period"))
    asked = int((params["EndTime"] - params["StartTime"]).total_seconds() // 60) // period
    if asked > STATISTICS_POINTS:
        raise ApiError(
            "InvalidParameterCombination",
            f"You have requested up to {asked:,} datapoints, which exceeds the limit of {STATISTICS_POINTS:,}. You may "
            "reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
    unit = _UNITS.get(params["MetricName"], "Count")
    points = []
    for at, sample in ask.around.metrics.periods(ask.place, metric_of(params), period, span).items():
        point: dict[str, Any] = {"Timestamp": moment(at), "Unit": unit}
        for name in names:
            if name.startswith("p"):
                point.setdefault("ExtendedStatistics", {})[name] = statistic(sample, name)
            else:
                point[name] = statistic(sample, name)
        points.append(point)
    return {"Label": params["MetricName"], "Datapoints": points}


@answers("cloudwatch", "ListMetrics")
def list_metrics(ask: Ask, params: Document) -> Document:
    """List metrics by namespace, name and dimensions, 500 a page."""
    asked = [(item["Name"], item.get("Value")) for item in params.get("Dimensions") or []]
    found = [
        item
        for item in [*known_metrics(ask.region), *ask.around.metrics.own(ask.place)]
        if params.get("Namespace") in (None, item.namespace)
        and params.get("MetricName") in (None, item.name)
        and all(
            any(name == have and value in (None, is_) for have, is_ in item.dimensions)
            for name, value in asked
        )
    ]
    label = f"metrics {params.get('Namespace')} {params.get('MetricName')} {asked}"
    chosen, token = ask.around.pages.cut(
        found, params.get("NextToken"), LIST_PAGE, label=label, code="InvalidNextToken"
    )
    shown = [
        {
            "Namespace": item.namespace,
            "MetricName": item.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in item.dimensions],
        }
        for item in chosen
    ]
    return {"Metrics": shown, "NextToken": token}


@answers("cloudwatch", "PutMetricData")
def put_metric_data(ask: Ask, params: Document) -> Document:
    """Keep what a client measured; AWS's own namespaces are not for clients."""
    if params["Namespace"].startswith("AWS/") or params["Namespace"] == series.INSIGHTS:
        raise ApiError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    for item in params.get("MetricData") or []:
        metric = metric_of({**item, "Namespace": params["Namespace"]})
        minute = minute_of(item.get("Timestamp") or ask.world.now)
        for sample in _measured(item):
            ask.around.metrics.put(ask.place, metric, minute, sample)
    return {}


def _measured(item: Document) -> list[Sample]:
    values = item.get("StatisticValues")
    if values:
        return [Sample(values["SampleCount"], values["Sum"], values["Minimum"], values["Maximum"])]
    if item.get("Values"):
        counts = item.get("Counts") or [1.0] * len(item["Values"])
        return [Sample.of(value, count) for value, count in zip(item["Values"], counts, strict=True)]
    if item.get("Value") is None:
        raise ApiError(
            "MissingParameter",
            "At least one of the parameters must be specified: Value, Values or StatisticValues.",
        )
    return [Sample.of(item["Value"])]
