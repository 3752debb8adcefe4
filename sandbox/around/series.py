"""The metrics that AWS makes of services: ECS's own, Container Insights, and the load balancer's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sandbox.around import presence
from sandbox.around.blue_green import serving_turn, share_of_traffic
from sandbox.around.load import Load, chance, usual_size, wander
from sandbox.around.presence import Level, Minutes
from sandbox.around.samples import Sample
from sandbox.around.target_groups import attachments, load_balancers_of
from sandbox.state import Cluster, Region, Service

if TYPE_CHECKING:
    from sandbox.world import World

Series = dict[int, Sample]
ECS, ALB, INSIGHTS = "AWS/ECS", "AWS/ApplicationELB", "ECS/ContainerInsights"
# What a load balancer counts by request, so that two groups share it as they share the traffic.
TRAFFIC = frozenset({"RequestCount", "TargetResponseTime", "HTTPCode_Target_5XX_Count"})
# Of requests that a healthy service answers wrongly, and that a bad release does.
USUAL_ERRORS = 0.0004
RELEASE_ERRORS = 0.035
# How far single tasks are from the mean memory use, as a share of it.
MEMORY_SPREAD = 0.04


class Metric(NamedTuple):
    """A metric's whole name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Sources:
    """What the metrics of one world are made from; `levels` are task counts before the world began, by service."""

    world: World
    load: Load
    levels: dict[str, list[Level]] = field(default_factory=dict)

    def minutes(self, service: Service, first: int, last: int) -> Minutes:
        return presence.count(service, self.levels.get(service.arn, []), first, last)


def minute_of(moment: datetime) -> int:
    return int(moment.timestamp() // 60)


def last_minute(world: World) -> int:
    """Return the newest minute that is over."""
    return minute_of(world.now) - 1


def compute(sources: Sources, region: Region, metric: Metric, first: int, last: int) -> Series:
    """Return a metric's minutes from `first` to `last`; minutes without data are left out."""
    last = min(last, last_minute(sources.world))
    maker = _MAKERS.get((metric.namespace, metric.name))
    if maker is None or last < first:
        return {}
    result: Series = {}
    for service, turn in _services(region, metric):
        for minute, sample in maker(sources, service, first, last):
            if turn is not None and not _keep_share(sources, service, turn, metric.name, minute, sample):
                continue
            if minute in result:
                result[minute].add(sample)
            else:
                result[minute] = sample
    return result


def _services(region: Region, metric: Metric) -> list[tuple[Service, int | None]]:
    """Find the services behind a metric's dimensions, each with the number of its target group where it has two.

    CloudWatch knows a metric by exactly its dimensions.
    """
    dimensions = dict(metric.dimensions)
    if metric.namespace == ALB:
        found = [item for item in attachments(region) if dimensions in balanced(item.arn, item.service)]
        return [(item.service, item.turn) for item in found]
    if set(dimensions) != {"ClusterName", "ServiceName"}:
        return []
    cluster = region.clusters.get(dimensions["ClusterName"])
    service = cluster.services.get(dimensions["ServiceName"]) if cluster else None
    if cluster is None or service is None:
        return []
    return [(service, None)] if metric.namespace == ECS or insights(cluster) else []


def _keep_share(
    sources: Sources, service: Service, turn: int, name: str, minute: int, sample: Sample
) -> bool:
    """Leave of a sample what one of two target groups had of the traffic; False where it had none."""
    if name not in TRAFFIC:
        return turn == serving_turn(service)
    share = share_of_traffic(service, turn, minute)
    sample.count, sample.sum = sample.count * share, sample.sum * share
    if name == "TargetResponseTime":
        # No two groups answer alike to the millisecond.
        pace = 1 + wander(sources.load.profile(service).seed + 8 + turn, minute, 0.04)
        sample.sum, sample.minimum, sample.maximum = (
            value * pace for value in (sample.sum, sample.minimum, sample.maximum)
        )
    return share > 0


def insights(cluster: Cluster) -> bool:
    """Whether Container Insights is on for a cluster."""
    values = [item.get("value") for item in cluster.settings if item.get("name") == "containerInsights"]
    return bool(values) and values[0] in ("enabled", "enhanced")


def balanced(target_group: str, service: Service) -> list[dict[str, str]]:
    """Return the sets of dimensions under which load balancers count a target group."""
    group = {"TargetGroup": target_group.rsplit(":", 1)[-1]}
    names = [arn.split(":loadbalancer/", 1)[1] for arn in load_balancers_of(target_group, service)]
    return [*({**group, "LoadBalancer": name} for name in names), group]


def known_metrics(region: Region) -> Iterator[Metric]:
    """List every metric of a region."""
    for cluster in region.clusters.values():
        for service in cluster.services.values():
            names = {"ClusterName": cluster.name, "ServiceName": service.name}
            for namespace, name in _MAKERS:
                if namespace == ECS or (namespace == INSIGHTS and insights(cluster)):
                    yield Metric(namespace, name, tuple(names.items()))
    for item in attachments(region):
        for namespace, name in _MAKERS:
            if namespace == ALB:
                yield Metric(namespace, name, tuple(balanced(item.arn, item.service)[0].items()))


_Maker = Callable[[Sources, Service, int, int], Iterator[tuple[int, Sample]]]
_MAKERS: dict[tuple[str, str], _Maker] = {}


def _makes(namespace: str, name: str) -> Callable[[_Maker], _Maker]:
    def register(maker: _Maker) -> _Maker:
        _MAKERS[namespace, name] = maker
        return maker

    return register


def mean_cpu(sources: Sources, service: Service, minute: int, tasks: float) -> float:
    """Return the mean CPU use: what is asked, shared by the tasks that are there."""
    profile = sources.load.profile(service)
    asked = profile.cpu * sources.load.demand(service, minute) * usual_size(service)
    return min(99.6, asked / max(tasks, 0.25))


def cpu_spread(sources: Sources, service: Service, minute: int) -> float:
    """Return how far single tasks are from the mean CPU use, as a share of it."""
    return 0.06 + 0.1 * chance(sources.load.profile(service).seed + 2, minute)


def usual_memory(sources: Sources, service: Service, minute: int) -> float:
    """Return the mean memory use of the tasks that do not leak, in percent."""
    profile, busy = sources.load.profile(service), sources.load.demand(service, minute) - 1
    return min(92.0, profile.memory * (1 + 0.08 * busy) * (1 + wander(profile.seed + 3, minute, 0.015)))


@_makes(ECS, "CPUUtilization")
def _cpu(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, tasks in enumerate(minutes.seen):
        if not tasks:
            continue
        minute = first + place
        mean = mean_cpu(sources, service, minute, minutes.weight[place])
        spread = cpu_spread(sources, service, minute) if tasks > 1 else 0.0
        yield (
            minute,
            Sample.of(mean, tasks, minimum=mean * (1 - spread), maximum=min(100.0, mean * (1 + spread))),
        )


@_makes(ECS, "MemoryUtilization")
def _memory(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, tasks in enumerate(minutes.seen):
        if not tasks:
            continue
        minute = first + place
        usual = usual_memory(sources, service, minute)
        growing = minutes.growing.get(place, [])
        others = max(0, tasks - len(growing))
        total = usual * others + sum(growing)
        highest = max([*growing, usual * (1 + MEMORY_SPREAD)] if others else growing)
        lowest = min([*growing, usual * (1 - MEMORY_SPREAD)] if others else growing)
        number = others + len(growing)
        yield minute, Sample(number, total, lowest, highest)


@_makes(INSIGHTS, "RunningTaskCount")
def _running(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, tasks in enumerate(minutes.weight):
        yield first + place, Sample.of(float(round(tasks)))


def _share(maker: _Maker, resource: str) -> _Maker:
    """Make a metric in units of a task's resource out of one in percent of it."""

    def make(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
        each = _size(service, resource)
        for minute, item in maker(sources, service, first, last):
            yield minute, Sample(1.0, item.sum / 100 * each, item.minimum / 100 * each, item.sum / 100 * each)

    return make


def _reserved(resource: str) -> _Maker:
    def make(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
        minutes = sources.minutes(service, first, last)
        for place, tasks in enumerate(minutes.weight):
            if tasks:
                yield first + place, Sample.of(round(tasks) * _size(service, resource))

    return make


def _size(service: Service, resource: str) -> float:
    content = service.primary.revision.task_definition.content if service.deployments else {}
    return float(content.get(resource) or 256)


_MAKERS[INSIGHTS, "CpuUtilized"] = _share(_cpu, "cpu")
_MAKERS[INSIGHTS, "CpuReserved"] = _reserved("cpu")
_MAKERS[INSIGHTS, "MemoryUtilized"] = _share(_memory, "memory")
_MAKERS[INSIGHTS, "MemoryReserved"] = _reserved("memory")


def requests_of(sources: Sources, service: Service, minute: int) -> float:
    profile = sources.load.profile(service)
    return float(round(profile.requests * 60 * usual_size(service) * sources.load.demand(service, minute)))


@_makes(ALB, "RequestCount")
def _request_count(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, healthy in enumerate(minutes.healthy):
        if healthy > 0:
            yield first + place, Sample.of(1.0, requests_of(sources, service, first + place))


@_makes(ALB, "RequestCountPerTarget")
def _per_target(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, healthy in enumerate(minutes.healthy):
        if healthy > 0:
            each = requests_of(sources, service, first + place) / max(1.0, healthy)
            yield first + place, Sample.of(each)


@_makes(ALB, "TargetResponseTime")
def _response_time(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes, profile = sources.minutes(service, first, last), sources.load.profile(service)
    for place, healthy in enumerate(minutes.healthy):
        if healthy <= 0:
            continue
        minute = first + place
        busy = mean_cpu(sources, service, minute, healthy) / 100
        mean = profile.latency * (1 + 3 * busy**4) * (1 + wander(profile.seed + 4, minute, 0.08))
        count = requests_of(sources, service, minute)
        yield minute, Sample.of(mean, count, minimum=mean * 0.2, maximum=mean * 7)


@_makes(ALB, "HTTPCode_Target_5XX_Count")
def _errors(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes, profile = sources.minutes(service, first, last), sources.load.profile(service)
    spans = _bad_releases(sources.world, service)
    for place, healthy in enumerate(minutes.healthy):
        minute = first + place
        share = USUAL_ERRORS * 2 * chance(profile.seed + 5, minute)
        if any(begin <= minute <= end for begin, end in spans):
            share += RELEASE_ERRORS * (0.5 + chance(profile.seed + 6, minute))
        # What was on its way to a task that ended.
        share += min(0.2, 0.3 * minutes.failures[place] / max(1.0, minutes.seen[place]))
        wrong = round(requests_of(sources, service, minute) * share) if healthy > 0 else 0
        if wrong:
            yield minute, Sample.of(1.0, wrong)


def _bad_releases(world: World, service: Service) -> list[tuple[int, int]]:
    """Return the minutes in which releases that were given up took traffic."""
    bad = [
        item
        for item in service.history
        if item.started_at and (item.status.startswith("ROLLBACK") or item.failures)
    ]
    return [
        (minute_of(item.started_at), minute_of(item.finished_at or world.now))
        for item in bad
        if item.started_at
    ]


@_makes(ALB, "HealthyHostCount")
def _healthy(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, seen in enumerate(minutes.seen):
        if seen:
            yield first + place, Sample.of(float(round(minutes.healthy[place])))


@_makes(ALB, "UnHealthyHostCount")
def _unhealthy(sources: Sources, service: Service, first: int, last: int) -> Iterator[tuple[int, Sample]]:
    minutes = sources.minutes(service, first, last)
    for place, seen in enumerate(minutes.seen):
        if seen:
            wrong = max(0.0, minutes.weight[place] - minutes.healthy[place])
            yield first + place, Sample.of(float(round(wrong)))
