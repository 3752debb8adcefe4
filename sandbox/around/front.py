"""ECS as clients meet it: page tokens that they can neither read nor keep, and reads that lag behind writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.around.pages import Pages
from sandbox.names import parse_arn
from sandbox.ports import ApiError, Caller

if TYPE_CHECKING:
    from sandbox.world import World

Document = dict[str, Any]
Place = tuple[str, str]


class Kind(NamedTuple):
    """A kind of resource: how it is called in outputs, and which read shows it as it was."""

    member: str
    arn: str
    describe: str
    listed: str


SERVICES = Kind("services", "serviceArn", "DescribeServices", "serviceArns")
TASKS = Kind("tasks", "taskArn", "DescribeTasks", "taskArns")
CLUSTERS = Kind("clusters", "clusterArn", "DescribeClusters", "clusterArns")
DEPLOYMENTS = Kind(
    "serviceDeployments", "serviceDeploymentArn", "DescribeServiceDeployments", "serviceDeployments"
)
_READS = {
    "DescribeServices": SERVICES,
    "ListServices": SERVICES,
    "DescribeTasks": TASKS,
    "ListTasks": TASKS,
    "DescribeClusters": CLUSTERS,
    "ListClusters": CLUSTERS,
    "DescribeServiceDeployments": DEPLOYMENTS,
    "ListServiceDeployments": DEPLOYMENTS,
}
# What a write changes: kind of resource and the parameter that names it.
_WRITES = {
    "UpdateService": (SERVICES, "service"),
    "DeleteService": (SERVICES, "service"),
    "StopTask": (TASKS, "task"),
    "DeleteCluster": (CLUSTERS, "cluster"),
    "UpdateCluster": (CLUSTERS, "cluster"),
    "UpdateClusterSettings": (CLUSTERS, "cluster"),
    "StopServiceDeployment": (DEPLOYMENTS, "serviceDeploymentArn"),
    "ContinueServiceDeployment": (DEPLOYMENTS, "serviceDeploymentArn"),
}
# What a write brings into being, and where its output has it.
_MAKES = {
    "CreateService": (SERVICES, "service"),
    "CreateCluster": (CLUSTERS, "cluster"),
    "RunTask": (TASKS, "tasks"),
    "StartTask": (TASKS, "tasks"),
}


class Before(NamedTuple):
    """A resource as it was before a write, None where it was not there, and until when reads say so."""

    until: datetime
    image: Document | None


class Front:
    """Calls a world's ECS for clients; `lag` is in seconds of world time."""

    def __init__(self, world: World, pages: Pages, lag: float = 0.0) -> None:
        self._world = world
        self._pages = pages
        self.lag = lag
        self._past: dict[Place, dict[str, list[Before]]] = defaultdict(dict)

    def call(self, caller: Caller, operation: str, params: Document) -> Document:
        """Run one ECS operation."""
        label = f"{caller.account_id} {caller.region} {operation}"
        token = params.get("nextToken")
        if isinstance(token, str) and token:
            inner = self._pages.open(token, label, "InvalidParameterException", "Invalid token.")
            params = {**params, "nextToken": inner}
        with self._world.lock:
            output = self._lagging(caller, operation, params)
        if output.get("nextToken"):
            output["nextToken"] = self._pages.seal(output["nextToken"], label)
        return output

    def _lagging(self, caller: Caller, operation: str, params: Document) -> Document:
        if self.lag <= 0:
            return self._world.call(caller, operation, params)
        place = (caller.account_id, caller.region)
        if operation in _READS:
            output = self._world.call(caller, operation, params)
            self._as_before(place, _READS[operation], output, params)
            return output
        images = list(self._images(caller, operation, params))
        output = self._world.call(caller, operation, params)
        for arn, image in [*images, *_made(operation, output)]:
            self._remember(place, arn, image)
        if operation in ("CreateService", "UpdateService"):
            self._remember_deployments(place, output)
        return output

    def _images(self, caller: Caller, operation: str, params: Document) -> Iterator[tuple[str, Document]]:
        """Describe what a write is about to change."""
        kind, name = _WRITES.get(operation, (None, ""))
        reference = params.get(name)
        if kind is None or not isinstance(reference, str):
            return
        if kind is DEPLOYMENTS:
            asked: Document = {"serviceDeploymentArns": [reference]}
        elif kind is CLUSTERS:
            asked = {"clusters": [reference], "include": ["SETTINGS", "TAGS"]}
        else:
            asked = {"cluster": params.get("cluster"), kind.member: [reference], "include": ["TAGS"]}
        try:
            described = self._world.call(caller, kind.describe, asked)
        except ApiError:
            # The write will be refused for the same reason, and change nothing.
            return
        for item in described.get(kind.member, []):
            yield item[kind.arn], item

    def _remember_deployments(self, place: Place, output: Document) -> None:
        """Let a service deployment that a write has begun be unknown for a while too."""
        arn = parse_arn(output["service"]["serviceArn"])
        cluster = self._world.region(*place).clusters.get(arn.path[0]) if arn else None
        service = cluster.services.get(arn.path[-1]) if cluster and arn else None
        for entry in service.history if service else []:
            if entry.created_at == self._world.now:
                self._remember(place, entry.arn, None)

    def _remember(self, place: Place, arn: str, image: Document | None) -> None:
        until = self._world.now + timedelta(seconds=self.lag)
        self._past[place].setdefault(arn, []).append(Before(until, image))

    def _before(self, place: Place, arn: str) -> Before | None:
        """Return how reads still see a resource, None when they see it as it is."""
        kept = self._past[place].get(arn)
        if kept is None:
            return None
        kept[:] = [item for item in kept if item.until > self._world.now]
        if not kept:
            del self._past[place][arn]
            return None
        return kept[0]

    def _as_before(self, place: Place, kind: Kind, output: Document, params: Document) -> None:
        for member in (kind.member, kind.listed):
            if member in output:
                output[member] = list(self._seen(place, kind, output, member, params))

    def _seen(
        self, place: Place, kind: Kind, output: Document, member: str, params: Document
    ) -> Iterator[Any]:
        for item in output[member]:
            arn = item if isinstance(item, str) else item[kind.arn]
            before = self._before(place, arn)
            describes = "failures" in output
            if before is None or (before.image is not None and not describes):
                yield item
            elif before.image is not None:
                yield _shown(before.image, params)
            elif describes:
                output["failures"].append({"arn": arn, "reason": "MISSING"})


def _shown(image: Document, params: Document) -> Document:
    """Leave out of an image what a call did not ask to have included."""
    include = params.get("include") or ()
    hidden = {name for word, name in (("TAGS", "tags"), ("SETTINGS", "settings")) if word not in include}
    return {name: value for name, value in image.items() if name not in hidden}


def _made(operation: str, output: Document) -> Iterator[tuple[str, None]]:
    kind, member = _MAKES.get(operation, (None, ""))
    if kind is None:
        return
    found = output.get(member) or []
    for item in found if isinstance(found, list) else [found]:
        yield item[kind.arn], None
