"""Two weeks of acme's days: load, scaling through each of them, and the alarms that watch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox import wording
from sandbox.around import alarm_operations, scaling_operations
from sandbox.around.alarms import Alarm, HistoryItem
from sandbox.around.load import chance, shape
from sandbox.around.presence import Level
from sandbox.around.registry import Ask
from sandbox.around.scaling import Activity
from sandbox.around.series import balanced, minute_of
from sandbox.history import date_task, service_of
from sandbox.ports import Caller
from sandbox.scenarios.acme_catalog import CLUSTERS, PRODUCTION, STAGING
from sandbox.scenarios.acme_catalog import Cluster as Place
from sandbox.scenarios.stage import Stage
from sandbox.state import Service, ServiceEvent

DAYS = 14
# The past is told in steps of ten minutes, which is as fast as scaling in goes.
STEP = 10
# What target tracking leaves a service at: within the tenth below its target.
AT_REST = 0.95


@dataclass(frozen=True, slots=True)
class Tracked:
    """A service whose count follows its CPU."""

    cluster: str
    service: str
    target: float
    lowest: int
    highest: int


TRACKED = (
    Tracked("prod-core", "cart-api", 55.0, 3, 34),
    Tracked("prod-core", "checkout-api", 60.0, 6, 45),
    Tracked("prod-core", "catalog-api", 60.0, 6, 40),
    Tracked("prod-core", "search-api", 65.0, 5, 36),
    Tracked("prod-core", "pricing-api", 60.0, 2, 14),
    Tracked("prod-payments", "payments-api", 50.0, 4, 24),
    Tracked("prod-eu", "web-frontend", 55.0, 6, 40),
    Tracked("prod-eu", "catalog-api", 60.0, 3, 20),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a desired count in the past."""

    at: datetime
    before: int
    count: int

    @property
    def grown(self) -> bool:
        return self.count > self.before


def tell_days(stage: Stage) -> None:
    """Give every service a past load, let some scale through it, and set the alarms."""
    for place in CLUSTERS:
        for one in place.services:
            service = _service(stage, place, one.name)
            since = min(
                (task.started_at for task in service.tasks.values() if task.started_at), default=stage.now
            )
            stage.around.metrics.sources.levels[service.arn] = [Level(service.created_at, since, one.count)]
    for tracked in TRACKED:
        _scale(stage, tracked)
    _schedule(stage)
    _set_alarms(stage)
    stage.around.alarms.evaluate()


def _service(stage: Stage, place: Place, name: str) -> Service:
    return service_of(stage.world.region(place.account_id, place.region), place.name, name)


def _ask(stage: Stage, place: Place) -> Ask:
    role = f"arn:aws:iam::{place.account_id}:role/platform/terraform"
    return Ask(stage.around, Caller(place.account_id, place.region, role))


def _place(cluster: str) -> Place:
    return next(item for item in CLUSTERS if item.name == cluster)


def _scale(stage: Stage, tracked: Tracked) -> None:
    place = _place(tracked.cluster)
    service = _service(stage, place, tracked.service)
    stage.around.load.calibrate(service, tracked.target * AT_REST, minute_of(stage.now))
    names = _register(stage, place, tracked)
    steps = _walk(stage, service, tracked)
    _date_tasks(stage, service, steps)
    stage.around.scaling.remember((place.account_id, place.region), _activities(stage, tracked, steps, names))


def _register(stage: Stage, place: Place, tracked: Tracked) -> list[str]:
    """Register target and policy as of long ago; return the names of the policy's alarms."""
    ask, resource = _ask(stage, place), f"service/{tracked.cluster}/{tracked.service}"
    base = {
        "ServiceNamespace": "ecs",
        "ResourceId": resource,
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    limits = {"MinCapacity": tracked.lowest, "MaxCapacity": tracked.highest}
    scaling_operations.register_scalable_target(ask, {**base, **limits})
    configuration = {
        "TargetValue": tracked.target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        "ScaleOutCooldown": 120,
        "ScaleInCooldown": 300,
    }
    scaling_operations.put_scaling_policy(
        ask,
        {
            **base,
            "PolicyName": "cpu-target",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": configuration,
        },
    )
    target = stage.around.scaling.of(ask.place)[resource]
    policy = target.policies["cpu-target"]
    target.created_at = policy.created_at = stage.ago(days=80)
    return policy.alarms


def _walk(stage: Stage, service: Service, tracked: Tracked) -> list[Step]:
    """Follow the load of two weeks and return each change of the count; the last one leaves it as it is now."""
    profile = stage.around.load.profile(service)
    last = minute_of(stage.now) - 2
    asked = profile.cpu * service.desired / tracked.target
    count, low, steps = 0, 0, list[Step]()

    def change(minute: int, wanted: int) -> None:
        moment = stage.now - timedelta(
            minutes=minute_of(stage.now) - minute, seconds=chance(profile.seed + 7, minute) * 40
        )
        steps.append(Step(moment, count, wanted))

    for minute in range(last - DAYS * 1440, last, STEP):
        exact = asked * shape(profile, minute)
        needed = min(tracked.highest, max(tracked.lowest, -int(-exact // 1)))
        low = low + 1 if exact < 0.9 * count else 0
        if not count:
            count = needed
        elif needed > count or (needed < count and low > 1):
            change(minute, needed)
            count, low = needed, 0
    if count != service.desired:
        change(last, service.desired)
    return steps


def _date_tasks(stage: Stage, service: Service, steps: list[Step]) -> None:
    """Let each task have come with the growth that it is left over from, and count those that have gone since."""
    tasks = sorted(
        (task for task in service.tasks.values() if task.started_at),
        key=lambda task: (task.started_at, task.id),
    )
    if not tasks or not steps:
        return
    since = tasks[0].started_at or stage.now
    for index, task in enumerate(tasks):
        fewer = [number for number, step in enumerate(steps) if step.count <= index]
        after = fewer[-1] + 1 if fewer else len(steps)
        if after < len(steps) and steps[after].at > since:
            date_task(task, steps[after].at + timedelta(seconds=45 + index % 7))
    stage.around.metrics.sources.levels[service.arn] = _levels(stage, service, steps, since)
    _tell_events(stage, service)


def _levels(stage: Stage, service: Service, steps: list[Step], since: datetime) -> list[Level]:
    """Count the tasks of the past that are gone; those that are there now say themselves since when."""
    began = [task.started_at for task in service.tasks.values() if task.started_at]
    begins = stage.ago(days=DAYS)
    changes = [(service.created_at, steps[0].before), (begins, steps[0].before)]
    changes += [(step.at, step.count) for step in steps]
    # The release that today's tasks began with replaced as many as there were.
    changes.append((since, next(count for at, count in reversed(changes) if at <= since)))
    changes.sort(key=lambda change: change[0])
    levels = []
    ends = [*(at for at, _ in changes[1:]), stage.now]
    for (start, count), end in zip(changes, ends, strict=True):
        # Growth takes its time.
        present = sum(at <= start + timedelta(minutes=2) for at in began)
        if count > present:
            levels.append(Level(start, end, count - present))
    return levels


def _tell_events(stage: Stage, service: Service) -> None:
    """Write the events of the growth that today's tasks came with."""
    started: dict[datetime, list[str]] = {}
    for task in service.tasks.values():
        if task.started_at and task.started_at - timedelta(minutes=5) > service.primary.updated_at:
            started.setdefault(task.created_at.replace(second=0, microsecond=0), []).append(task.id)
    for moment, ids in started.items():
        told = [(moment, wording.started(service.name, ids))]
        told.append((moment + timedelta(seconds=100), wording.steady(service.name)))
        for at, message in told:
            service.events.append(ServiceEvent(stage.world.ids.uuid(), at, message))
    ordered = sorted(service.events, key=lambda event: event.created_at, reverse=True)
    service.events.clear()
    service.events.extend(ordered)


def _activities(stage: Stage, tracked: Tracked, steps: list[Step], alarms: list[str]) -> list[Activity]:
    return [
        Activity(
            stage.around.scaling.new_id(),
            f"service/{tracked.cluster}/{tracked.service}",
            f"Setting desired count to {step.count}.",
            f"monitor alarm {alarms[0 if step.grown else -1]} in state ALARM triggered policy cpu-target",
            step.at,
            step.count,
            "Successful",
            f"Successfully set desired count to {step.count}. Change successfully fulfilled by ecs.",
            step.at + timedelta(seconds=70),
        )
        for step in steps
    ]


def _schedule(stage: Stage) -> None:
    """The newsletter goes out on Tuesdays; for the rest of the week nothing runs."""
    place = _place("prod-batch")
    ask = _ask(stage, place)
    base = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod-batch/newsletter-sender",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling_operations.register_scalable_target(ask, {**base, "MinCapacity": 0, "MaxCapacity": 4})
    for name, schedule, count in (
        ("tuesday-morning", "cron(0 9 ? * TUE *)", 2),
        ("tuesday-noon", "cron(0 12 ? * TUE *)", 0),
    ):
        scaling_operations.put_scheduled_action(
            ask,
            {
                **base,
                "ScheduledActionName": name,
                "Schedule": schedule,
                "Timezone": "Europe/Berlin",
                "ScalableTargetAction": {"MinCapacity": count, "MaxCapacity": max(count, 4) if count else 0},
            },
        )


def _set_alarms(stage: Stage) -> None:
    """Watch what production and staging answer, and the services with a trouble of their own."""
    for place in CLUSTERS:
        if place.account_id not in (PRODUCTION, STAGING):
            continue
        for one in place.services:
            service, label = _service(stage, place, one.name), f"{place.name}-{one.name}"
            names = {"ClusterName": place.name, "ServiceName": one.name}
            if one.public:
                group = balanced(service.target_groups[0]["targetGroupArn"], service)[0]
                requests = stage.around.load.profile(service).requests * 60 * one.count
                errors = ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count")
                alarm = _alarm(
                    stage, place, f"{label}-5xx", *errors, group, max(20.0, round(requests * 0.01))
                )
                _remember_trouble(alarm, service, stage.ago(days=DAYS))
            if one.condition in ("out of memory", "crash loop"):
                memory = ("AWS/ECS", "MemoryUtilization")
                _alarm(stage, place, f"{label}-memory", *memory, names, 90.0, "Maximum")
            if one.condition == "crash loop":
                running = ("ECS/ContainerInsights", "RunningTaskCount")
                few = ("Average", "LessThanThreshold")
                _alarm(stage, place, f"{label}-too-few-tasks", *running, names, float(one.count), *few)


def _alarm(
    stage: Stage,
    place: Place,
    name: str,
    namespace: str,
    metric: str,
    dimensions: dict[str, str],
    threshold: float,
    statistic: str = "Sum",
    comparison: str = "GreaterThanThreshold",
) -> Alarm:
    config: dict[str, Any] = {
        "AlarmName": name,
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
        "Period": 60,
        "EvaluationPeriods": 5,
        # A task that runs out of memory fills it for one minute only.
        "DatapointsToAlarm": 1 if metric == "MemoryUtilization" else 3,
        "Threshold": threshold,
        "ComparisonOperator": comparison,
        "TreatMissingData": "notBreaching",
    }
    alarm_operations.put_metric_alarm(_ask(stage, place), config)
    alarm = stage.around.alarms.of((place.account_id, place.region))[name]
    alarm.configured_at = stage.ago(days=80)
    alarm.history.clear()
    alarm.history.append(
        HistoryItem(alarm.configured_at, "ConfigurationUpdate", f'Alarm "{name}" created', "{}")
    )
    return alarm


def _remember_trouble(alarm: Alarm, service: Service, since: datetime) -> None:
    """Let an alarm have gone off with each release of late that was rolled back."""
    for entry in service.history:
        begin, end = entry.started_at, entry.finished_at
        if not begin or not end or begin < since or not entry.status.startswith("ROLLBACK"):
            continue
        for at, before, after in (
            (begin + timedelta(minutes=4), "OK", "ALARM"),
            (end + timedelta(minutes=4), "ALARM", "OK"),
        ):
            data = json.dumps({"oldState": {"stateValue": before}, "newState": {"stateValue": after}})
            alarm.history.appendleft(
                HistoryItem(at, "StateUpdate", f"Alarm updated from {before} to {after}", data)
            )
