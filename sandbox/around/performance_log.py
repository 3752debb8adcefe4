"""The performance log of Container Insights: an event a minute for each task, made when somebody reads it.

Nothing is written meanwhile, so that a world of many services pays only for what is asked of it. Follows
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-logs-ECS.html
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

import orjson

from sandbox.around import presence, series
from sandbox.around.load import chance
from sandbox.around.series import Sources, minute_of
from sandbox.log_store import Backend, Group, LogLine, Stream
from sandbox.placement import launch_type
from sandbox.state import Cluster, Document, Region, Service, Task

# Tasks are remembered for an hour after they stopped, and so far back the log is whole.
KEPT_MINUTES = 60
RETENTION_DAYS = "1"
FARGATE_STREAMS = 1_000
# What a request brings along and what it is answered with.
BYTES_IN, BYTES_OUT, PACKET = 900, 6_400, 1_200
_GROUP = re.compile(r"(?:.*:log-group:)?/aws/ecs/containerinsights/([^/:]+)/performance(?::\*)?")
_METRICS = [
    ("CpuUtilized", "None"),
    ("CpuReserved", "None"),
    ("MemoryUtilized", "Megabytes"),
    ("MemoryReserved", "Megabytes"),
    ("StorageReadBytes", "Bytes/Second"),
    ("StorageWriteBytes", "Bytes/Second"),
    ("NetworkRxBytes", "Bytes/Second"),
    ("NetworkTxBytes", "Bytes/Second"),
]
_NUMBER = attrgetter("number")


class Use(NamedTuple):
    """What the tasks of a service use in a minute, on average: percent of what is theirs, and requests a second."""

    cpu: float
    cpu_spread: float
    memory: float
    requests: float


class PerformanceStream(Stream):
    """A stream made anew for each reader; its positions are its events' own numbers, which stay."""

    def position(self, index: int) -> int:
        if index < len(self.events):
            return self.events[index].number
        return self.events[-1].number + 1 if self.events else 0

    def index(self, position: int) -> int:
        return bisect_left(self.events, position, key=_NUMBER)


def is_asked(operation: str, params: Document) -> bool:
    """Whether a call of CloudWatch Logs may show a performance log."""
    return operation == "DescribeLogGroups" or bool(_named(params))


def bring_up(sources: Sources, region: Region, backend: Backend, operation: str, params: Document) -> None:
    """Write what a call is about to read; whoever calls holds the locks of the world and of the backend."""
    if operation == "DescribeLogGroups":
        for one in filter(_reports, region.clusters.values()):
            _group_of(backend, one)
        return
    for name in _named(params):
        cluster = region.clusters.get(name)
        if cluster is not None and _reports(cluster):
            _fill(sources, _group_of(backend, cluster), cluster, _span(sources, operation, params))


def _named(params: Document) -> list[str]:
    """Return the clusters whose performance log a call names."""
    names = [params.get("logGroupName"), params.get("logGroupIdentifier")]
    names += [*(params.get("logGroupNames") or ()), *(params.get("logGroupIdentifiers") or ())]
    found = (_GROUP.fullmatch(name) for name in names if isinstance(name, str))
    return [match[1] for match in found if match]


def _reports(cluster: Cluster) -> bool:
    """Whether there is a log: from the first task on that runs while Container Insights is on."""
    return series.insights(cluster) and any(task.started_at for task in cluster.tasks.values())


def _group_of(backend: Backend, cluster: Cluster) -> Group:
    name = f"/aws/ecs/containerinsights/{cluster.name}/performance"
    group = backend.known_group(name)
    if group is None:
        group = backend.create_log_group(name, {})
        group.retention_in_days = RETENTION_DAYS
    return group


def _span(sources: Sources, operation: str, params: Document) -> tuple[int, int]:
    """Return the minutes that a call can see, the first and the last; a stream that is named must be there."""
    last = series.last_minute(sources.world)
    first = last - KEPT_MINUTES + 1
    if operation != "FilterLogEvents" or params.get("logStreamNames"):
        return first, last
    start, end = params.get("startTime") or 0, params.get("endTime")
    return max(first, start // 60_000), last if end is None else min(last, end // 60_000)


def _fill(sources: Sources, group: Group, cluster: Cluster, span: tuple[int, int]) -> None:
    lines: dict[str, list[LogLine]] = defaultdict(list)
    for name, line in _lines(sources, cluster, *span):
        lines[name].append(line)
    streams = {name: one for name, one in group.streams.items() if not isinstance(one, PerformanceStream)}
    for name, found in lines.items():
        made = PerformanceStream(group, name)
        made.extend(sorted(found, key=_NUMBER))
        streams[name] = made
    group.streams = streams


def _lines(sources: Sources, cluster: Cluster, first: int, last: int) -> Iterator[tuple[str, LogLine]]:
    """Make the events of all tasks, by the name of their stream."""
    uses: dict[str, list[Use]] = {}
    for task in cluster.tasks.values():
        begins, ends = _life(task, first, last)
        if begins > ends:
            continue
        service = task.service
        if service is not None and service.arn not in uses:
            uses[service.arn] = list(_uses(sources, service, first, last))
        stream, fixed = _stream_of(task), _fixed(task)
        for minute in range(begins, ends + 1):
            use = uses[service.arn][minute - first] if service else _alone(sources, task)
            message = orjson.dumps(fixed | _measured(task, minute, use)).decode()
            # Numbers go with time and then with the task, however often the line is made.
            number = minute * 10**10 + _seed(task) % 10**10
            yield stream, LogLine(minute * 60_000, message, (minute + 1) * 60_000, number)


def _life(task: Task, first: int, last: int) -> tuple[int, int]:
    """Return the first and the last of the given minutes in which a task ran; none where the first is later."""
    if task.started_at is None:
        return first, first - 1
    ends = minute_of(task.stopping_at) if task.stopping_at else last
    return max(first, minute_of(task.started_at)), min(last, ends)


def _stream_of(task: Task) -> str:
    if task.instance is not None:
        return f"AgentTelemetry-{task.instance.id}"
    return f"FargateTelemetry-{_seed(task) % FARGATE_STREAMS}"


def _seed(task: Task) -> int:
    return int(task.id[:12], 16)


def _uses(sources: Sources, service: Service, first: int, last: int) -> Iterator[Use]:
    """Return the use of each minute, from what the metrics of the service are made of."""
    minutes = sources.minutes(service, first, last)
    for place, weight in enumerate(minutes.weight):
        minute = first + place
        cpu = series.mean_cpu(sources, service, minute, weight)
        requests = series.requests_of(sources, service, minute) / 60 / max(weight, 1.0)
        spread = series.cpu_spread(sources, service, minute) if minutes.seen[place] > 1 else 0.0
        yield Use(cpu, spread, series.usual_memory(sources, service, minute), requests)


def _alone(sources: Sources, task: Task) -> Use:
    """Return the use of a task that belongs to no service: it has habits of its own and serves nobody."""
    habits = sources.load.habits(task.arn)
    return Use(habits.cpu, 0.1, habits.memory, 0.0)


def _fixed(task: Task) -> Document:
    """Return what all events of a task have in common."""
    service, place = task.service, task.cluster.region
    names = {
        "Version": "0",
        "Type": "Task",
        "TaskId": task.id,
        "TaskDefinitionFamily": task.definition.family,
        "TaskDefinitionRevision": str(task.definition.revision),
        **({"ServiceName": service.name} if service else {}),
        "ClusterName": task.cluster.name,
        "AccountID": place.account_id,
        "Region": place.name,
        "AvailabilityZone": task.zone,
        "KnownStatus": "RUNNING",
        "LaunchType": launch_type(task),
    }
    if task.instance is not None:
        names["ContainerInstanceId"] = task.instance.id
        names["EC2InstanceId"] = task.instance.ec2_instance_id
    return {**names, **_moments(task), "CloudWatchMetrics": _IN_SERVICE if service else _ALONE}


def _measured(task: Task, minute: int, use: Use) -> Document:
    content = task.definition.content
    return {
        "Timestamp": minute * 60_000,
        **_processor(task, minute, use, _reserved(content, "cpu", 256)),
        **_memory(task, minute, use, _reserved(content, "memory", 512)),
        "StorageReadBytes": 0,
        "StorageWriteBytes": 0,
        **_network(use),
    }


def _moments(task: Task) -> dict[str, int]:
    moments = {
        "PullStartedAt": task.pull_started_at,
        "PullStoppedAt": task.pull_stopped_at,
        "CreatedAt": task.created_at,
        "StartedAt": task.started_at,
    }
    return {name: _milliseconds(moment) for name, moment in moments.items() if moment is not None}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _reserved(content: Document, resource: str, otherwise: int) -> int:
    """Return CPU units or MiB of a task, or those of its containers together where it names none."""
    own = content.get(resource)
    of_containers = [
        item.get(resource) or item.get(f"{resource}Reservation") or 0
        for item in content["containerDefinitions"]
    ]
    return int(own or sum(of_containers) or otherwise)


def _processor(task: Task, minute: int, use: Use, reserved: int) -> dict[str, float]:
    share = min(100.0, use.cpu * (1 + use.cpu_spread * (2 * chance(_seed(task), minute) - 1)))
    return {"CpuUtilized": share / 100 * reserved, "CpuReserved": float(reserved)}


def _memory(task: Task, minute: int, use: Use, reserved: int) -> dict[str, int]:
    """Return the memory at the end of a minute: what a leak has come to, else around the service's usual."""
    end = (minute + 1) * 60.0
    if task.stopping_at is not None:
        end = min(end, task.stopping_at.timestamp())
    share = presence.fullness(task.growth, end) if task.growth else None
    if share is None:
        share = use.memory * (1 + series.MEMORY_SPREAD * (2 * chance(_seed(task) + 1, minute) - 1))
    return {"MemoryUtilized": round(share / 100 * reserved), "MemoryReserved": reserved}


def _network(use: Use) -> dict[str, int]:
    result: dict[str, int] = {}
    for way, size in (("Rx", BYTES_IN), ("Tx", BYTES_OUT)):
        count = round(use.requests * size)
        result |= {
            f"Network{way}Bytes": count,
            f"Network{way}Dropped": 0,
            f"Network{way}Errors": 0,
            f"Network{way}Packets": -(-count // PACKET),
        }
    return result


def _embedded(*dimensions: list[str]) -> orjson.Fragment:
    """Return, as JSON, what tells CloudWatch to make metrics of an event."""
    metrics = [{"Name": name, "Unit": unit} for name, unit in _METRICS]
    every = [["ClusterName"], *dimensions, ["ClusterName", "TaskDefinitionFamily"]]
    return orjson.Fragment(
        orjson.dumps([{"Namespace": series.INSIGHTS, "Metrics": metrics, "Dimensions": every}])
    )


_ALONE, _IN_SERVICE = _embedded(), _embedded(["ServiceName", "ClusterName"])
