"""Which function runs which operation, and what every one of them is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.model import operation_model
from sandbox.names import last_part, parse_arn
from sandbox.ports import ApiError, Caller
from sandbox.state import Cluster, Document, Region, Service

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass(frozen=True, slots=True)
class Context:
    """One call: the world, who calls, and the account's region that it concerns."""

    world: World
    caller: Caller
    region: Region

    def cluster(self, reference: str | None) -> Cluster:
        """Return an active cluster by name or ARN; `default` when none is named."""
        found = self.region.clusters.get(last_part(reference or "default"))
        if found is None or found.status != "ACTIVE" or not self.is_here(reference):
            raise ApiError("ClusterNotFoundException", "Cluster not found.")
        return found

    def is_here(self, reference: str | None) -> bool:
        """Whether an ARN lies in the account and region of the call; a plain name always does."""
        arn = parse_arn(reference or "")
        return arn is None or (arn.account_id, arn.region) == (self.region.account_id, self.region.name)

    def service(self, cluster: Cluster, reference: str) -> Service:
        """Return a service by name or ARN, INACTIVE ones included."""
        found = find_service(cluster, reference)
        if found is None:
            raise ApiError("ServiceNotFoundException", "Service not found.")
        return found

    def active_service(self, cluster: Cluster, reference: str) -> Service:
        """Return a service that may be changed."""
        found = self.service(cluster, reference)
        if found.status != "ACTIVE":
            raise ApiError("ServiceNotActiveException", "Service was not ACTIVE.")
        return found


def find_service(cluster: Cluster, reference: str) -> Service | None:
    """Return a cluster's service by name or ARN; an ARN that names another cluster finds nothing."""
    arn = parse_arn(reference)
    if arn is not None and (arn.kind != "service" or (len(arn.path) == 2 and arn.path[0] != cluster.name)):
        return None
    return cluster.services.get(last_part(reference))


Handler = Callable[[Context, Document], Document]

_handlers: dict[str, Handler] = {}


def operation(name: str) -> Callable[[Handler], Handler]:
    """Make a function the handler of an operation; a name that ECS does not have fails at import."""
    operation_model(name)

    def register(handler: Handler) -> Handler:
        _handlers[name] = handler
        return handler

    return register


def handler_of(name: str) -> Handler:
    """Return the handler of an operation."""
    operation_model(name)
    if name not in _handlers:
        raise ApiError(
            "UnsupportedOperationException",
            f"The operation {name} exists in Amazon ECS but is not implemented in this sandbox.",
        )
    return _handlers[name]


def implemented() -> frozenset[str]:
    """Return the names of all operations that have a handler."""
    return frozenset(_handlers)


def failure(arn: str, reason: str = "MISSING") -> Document:
    """Return an entry of `failures`, with which the describing operations answer for what they did not find."""
    return {"arn": arn, "reason": reason}


def read_tags(given: list[Document] | None, *, code: str = "InvalidParameterException") -> dict[str, str]:
    """Return tags as a mapping, refused where ECS refuses them; an empty list is an error, as on AWS."""
    if given is None:
        return {}
    if not given:
        raise ApiError(code, "Tags can not be empty.")
    if len(given) > 50:
        raise ApiError(code, "The number of tags exceeds the limit of 50.")
    tags: dict[str, str] = {}
    for item in given:
        key = item.get("key", "")
        if not key or len(key) > 128 or len(item.get("value", "")) > 256:
            raise ApiError(code, "Tag keys have 1 to 128 characters, tag values at most 256.")
        if key.lower().startswith("aws:"):
            raise ApiError(code, "Tag keys cannot start with 'aws:'.")
        if key in tags:
            raise ApiError(code, "Duplicate tag keys found.")
        tags[key] = item.get("value", "")
    return tags
