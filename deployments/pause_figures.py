"""The figures of both sides since a pause: from CloudWatch, from the logs and from the inventory; asked on demand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import mean, median
from time import monotonic
from typing import Any

from aws import cloudwatch
from aws import logs as aws_logs
from aws.cloudwatch import Points, Query
from aws.errors import AwsError, AwsNotFound
from aws.logs import LogLine
from clusters.models import Service, ServiceRevision, Task, TaskDefinition
from clusters.queries import scope_of
from clusters.service_view import outgoing_of, primary_of
from clusters.strip import revision_of
from deployments.comparing import (
    ERROR_LINES,
    ERRORS_5XX,
    MEMORY,
    RESPONSE_P95,
    RESTARTS,
    Figure,
    Measure,
    Row,
)
from deployments.pauses import Pause
from logs.levels import level_of
from logs.sources import Stream, container_logs, streams_of

ALB = "AWS/ApplicationELB"
# Nobody waits longer than this for the whole table; what was not asked by then says so.
TIME_LIMIT = 20.0
# Minutes are whole in CloudWatch and come late, so that the first of a pause needs a moment.
SHORTEST = timedelta(minutes=2)
# Beyond this the beginning is left out: lines are counted one by one.
LINES_SPAN = timedelta(minutes=15)
LINE_PAGES = 5
STREAMS_PER_CALL = 100
# What levels are found in: CloudWatch filters by these words, and the level decides afterwards.
ERROR_WORDS = (
    "?ERROR ?Error ?error ?FATAL ?Fatal ?fatal ?CRITICAL ?Critical ?critical ?SEVERE ?panic ?PANIC"
    ' ?Traceback ?Exception ?" E"'
)
ROUTINE = "Scaling activity initiated by"
Figures = tuple[Figure, Figure]


@dataclass(frozen=True, slots=True)
class Side:
    """One side as it is known here: its deployment of the service and its tasks."""

    name: str
    deployment_id: str
    tasks: list[Task] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table: since when, how long that is, and a row for each measure."""

    since: datetime
    now: datetime
    outgoing: Side
    incoming: Side
    rows: list[Row]

    @property
    def minutes(self) -> int:
        return max(0, int((self.now - self.since).total_seconds() // 60))


class Clock:
    """Counts down the time that a person is asked to wait."""

    def __init__(self, limit: float = TIME_LIMIT) -> None:
        self.end = monotonic() + limit

    @property
    def is_over(self) -> bool:
        return monotonic() >= self.end


def compare(service: Service, pause: Pause, now: datetime, clock: Clock | None = None) -> Comparison:
    """Gather all figures; what cannot be had says why. Asks AWS four things, each in a few pages at most."""
    clock = clock or Clock()
    since = pause.since or now
    sides = (side(service, outgoing_of(service.facts)), side(service, primary_of(service.facts)))
    errors, p95 = in_time(clock, lambda: balancer_figures(service, pause, since, now), 2)
    (memory,) = in_time(clock, lambda: [memory_figures(service, sides, now)], 1)
    (lines,) = in_time(clock, lambda: [line_figures(service, sides, since, now)], 1)
    found: list[tuple[Measure, Figures]] = [
        (ERRORS_5XX, errors),
        (RESPONSE_P95, p95),
        (MEMORY, memory),
        (ERROR_LINES, lines),
        (RESTARTS, restart_figures(sides, since)),
    ]
    return Comparison(since, now, *sides, rows=[Row(measure, *figures) for measure, figures in found])


def in_time(clock: Clock, ask: Callable[[], Sequence[Figures]], count: int) -> Sequence[Figures]:
    """Ask unless the time is over; an error of AWS is the reason why the figures are not known."""
    if clock.is_over:
        return [unknown(f"Not asked: the answers before took longer than {TIME_LIMIT:.0f} s.")] * count
    try:
        return ask()
    except AwsError as error:
        return [unknown(f"{error} {error.hint}")] * count


def unknown(why: str) -> Figures:
    return Figure(why=why), Figure(why=why)


def side(service: Service, deployment: Mapping[str, Any]) -> Side:
    known = str(deployment.get("id") or "")
    tasks = list(service.tasks.filter(started_by=known)) if known else []
    return Side(revision_of(str(deployment.get("taskDefinition") or "")), known, tasks)


def balancer_figures(service: Service, pause: Pause, since: datetime, now: datetime) -> list[Figures]:
    """Return the share of 5xx and the response time by target group."""
    groups = target_groups(service, pause)
    if isinstance(groups, str):
        return [unknown(groups)] * 2
    if now - since < SHORTEST:
        return [unknown("CloudWatch has figures of whole minutes: look again in two minutes.")] * 2
    queries = [query for name, group in zip("oi", groups, strict=True) for query in queries_of(name, group)]
    found = cloudwatch.metric_data(scope_of(service), queries, since.replace(second=0, microsecond=0), now)
    shares = [share_of(found[f"{name}_errors"], found[f"{name}_requests"]) for name in "oi"]
    times = [time_of(found[f"{name}_time"]) for name in "oi"]
    return [(shares[0], shares[1]), (times[0], times[1])]


def target_groups(service: Service, pause: Pause) -> list[dict[str, str]] | str:
    """Return the dimensions of the outgoing and the incoming target group, else why they are not known."""
    if not service.facts.get("loadBalancers"):
        return "No load balancer is attached to the service."
    arns = [pause.outgoing.revision_arn, pause.incoming.revision_arn]
    rows = dict(ServiceRevision.objects.filter(arn__in=arns).values_list("arn", "facts"))
    groups = [resolved_group(rows.get(arn) or {}) for arn in arns]
    if not all(group.get("TargetGroup") for group in groups):
        return "ECS does not say which target group belongs to which revision."
    # A revision from before there were two groups names no rule; the balancer is the same.
    balancer = next((group["LoadBalancer"] for group in groups if group.get("LoadBalancer")), "")
    groups = [{**group, "LoadBalancer": balancer} for group in groups]
    if groups[0] == groups[1]:
        return "Both sides are in one target group, whose figures CloudWatch does not tell apart."
    return groups


def resolved_group(revision: Mapping[str, Any]) -> dict[str, str]:
    """Return CloudWatch's names of a revision's target group: as ECS resolved it, else the only one it has."""
    for item in (revision.get("resolvedConfiguration") or {}).get("loadBalancers") or []:
        group = str(item.get("targetGroupArn") or "").rsplit(":", 1)[-1]
        # …:listener-rule/app/NAME/ID/LISTENER/RULE names the balancer as CloudWatch does: app/NAME/ID.
        parts = str(item.get("productionListenerRule") or "").rsplit(":", 1)[-1].split("/")
        if group and len(parts) >= 4:
            return {"TargetGroup": group, "LoadBalancer": "/".join(parts[1:4])}
    plain = revision.get("loadBalancers") or []
    if len(plain) == 1 and not plain[0].get("advancedConfiguration"):
        return {"TargetGroup": str(plain[0].get("targetGroupArn") or "").rsplit(":", 1)[-1]}
    return {}


def queries_of(name: str, dimensions: Mapping[str, str]) -> list[Query]:
    return [
        Query(f"{name}_requests", ALB, "RequestCount", dimensions, "Sum"),
        Query(f"{name}_errors", ALB, "HTTPCode_Target_5XX_Count", dimensions, "Sum"),
        Query(f"{name}_time", ALB, "TargetResponseTime", dimensions, "p95"),
    ]


def share_of(errors: Points, requests: Points) -> Figure:
    """Return the share of 5xx in percent; CloudWatch keeps no point for a minute without one."""
    total = sum(value for _, value in requests)
    if not total:
        return Figure(why="No request reached that side since.")
    return Figure(sum(value for _, value in errors) / total * 100)


def time_of(points: Points) -> Figure:
    """Return the median of the minutes' p95 in milliseconds: one slow minute does not decide."""
    if not points:
        return Figure(why="No request reached that side since.")
    return Figure(median(value for _, value in points) * 1000)


def memory_figures(service: Service, sides: tuple[Side, Side], now: datetime) -> Figures:
    """Return the mean memory of the tasks of each side, from the performance log of Container Insights."""
    cluster = service.cluster
    settings = {item.get("name"): item.get("value") for item in cluster.facts.get("settings") or []}
    if settings.get("containerInsights") not in ("enabled", "enhanced"):
        why = f"Container Insights is off in {cluster.name}; ECS's own metric does not tell the sides apart."
        return unknown(why)
    family = service.task_definition_arn.rsplit("/", 1)[-1].rsplit(":", 1)[0]
    group = f"/aws/ecs/containerinsights/{cluster.name}/performance"
    # Tasks and their containers; CloudWatch's filters of more terms would not read better.
    pattern = f'{{ $.TaskDefinitionFamily = "{family}" }}'
    start = now - timedelta(minutes=5)
    try:
        lines, _ = read_lines(service, group, start, now, pattern)
    except AwsNotFound:
        return unknown(f"Container Insights has written nothing to {group} yet.")
    used = [used_share(line.message) for line in lines]
    found = [memory_of(one, [item for item in used if item]) for one in sides]
    return found[0], found[1]


def used_share(message: str) -> tuple[str, float] | None:
    """Return the task and its memory in percent of what is reserved for it; None for a line that says neither."""
    try:
        event = json.loads(message)
    except ValueError:
        return None
    reserved = float(event.get("MemoryReserved") or 0)
    if event.get("Type") != "Task" or not reserved or event.get("MemoryUtilized") is None:
        return None
    return str(event.get("TaskId", "")), float(event["MemoryUtilized"]) / reserved * 100


def memory_of(one: Side, used: Iterable[tuple[str, float]]) -> Figure:
    ids = {task.task_id for task in one.tasks}
    shares = [share for task_id, share in used if task_id in ids]
    return (
        Figure(mean(shares)) if shares else Figure(why="Container Insights has no figures of its tasks yet.")
    )


def line_figures(service: Service, sides: tuple[Side, Side], since: datetime, now: datetime) -> Figures:
    """Return the error lines a minute of each side, counted by the streams of its tasks."""
    since = max(since, now - LINES_SPAN)
    found = [lines_of(service, one, since, now) for one in sides]
    return found[0], found[1]


def lines_of(service: Service, one: Side, since: datetime, now: datetime) -> Figure:
    streams = streams_of_side(service, one)
    if not streams:
        return Figure(why="Its containers write to no log group of CloudWatch Logs.")
    minutes = max(1.0, (now - since).total_seconds() / 60)
    count = 0
    for group, names in by_group(streams).items():
        for start in range(0, len(names), STREAMS_PER_CALL):
            batch = names[start : start + STREAMS_PER_CALL]
            found = count_errors(service, group, batch, since, now)
            if found is None:
                return Figure(why="It writes more error lines than can be counted here: see its logs.")
            count += found
    return Figure(count / minutes)


def streams_of_side(service: Service, one: Side) -> list[Stream]:
    arns = {task.task_definition_arn for task in one.tasks}
    rows = TaskDefinition.objects.filter(arn__in=arns)
    logs = {row.arn: container_logs(row.facts, service.cluster.region) for row in rows}
    account = service.cluster.account
    return [
        stream
        # A task that never started has no stream, and CloudWatch refuses to read what is not there.
        for task in one.tasks
        if task.started_at
        for stream in streams_of(task, logs.get(task.task_definition_arn, []), account)
    ]


def by_group(streams: Iterable[Stream]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for stream in streams:
        groups.setdefault(stream.source.group, []).append(stream.name)
    return groups


def count_errors(
    service: Service, group: str, streams: list[str], since: datetime, now: datetime
) -> int | None:
    """Count the error lines of streams, None when there are more than a few pages of them."""
    lines, is_whole = read_lines(service, group, since, now, ERROR_WORDS, streams)
    return sum(level_of(line.message) == "error" for line in lines) if is_whole else None


def read_lines(
    service: Service,
    group: str,
    start: datetime,
    end: datetime,
    pattern: str,
    streams: list[str] | None = None,
) -> tuple[list[LogLine], bool]:
    """Read a few pages of lines, of which CloudWatch may leave some empty; return them, and whether they are all."""
    lines: list[LogLine] = []
    token = None
    for _ in range(LINE_PAGES):
        page = aws_logs.fetch_events(
            scope_of(service),
            group,
            streams=streams,
            start_ms=milliseconds(start),
            end_ms=milliseconds(end),
            next_token=token,
            pattern=pattern,
        )
        lines += page.events
        token = page.next_token
        if token is None:
            return lines, True
    return lines, False


def restart_figures(sides: tuple[Side, Side], since: datetime) -> Figures:
    """Count the tasks of each side that ended since, other than those that the scheduler meant to end."""
    counts = [
        sum(
            task.stopped_at is not None and task.stopped_at >= since and ROUTINE not in task.stopped_reason
            for task in one.tasks
        )
        for one in sides
    ]
    return Figure(float(counts[0])), Figure(float(counts[1]))


def milliseconds(moment: datetime) -> int:
    return math.floor(moment.timestamp() * 1000)
