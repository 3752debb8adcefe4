"""Which event of CloudTrail began a service deployment. Pure; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aws.cloudtrail import TrailEvent

# A call further away than this did not begin the deployment.
WINDOW = timedelta(minutes=5)
# ECS writes a deployment down within seconds of the call that begins it; CloudTrail's times are whole seconds.
AT_ONCE = timedelta(seconds=15)
# What of an UpdateService begins a deployment, by ECS's API reference; a desired count alone does not.
BEGINS = frozenset(
    {
        "taskDefinition",
        "networkConfiguration",
        "platformVersion",
        "loadBalancers",
        "serviceRegistries",
        "serviceConnectConfiguration",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
    }
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service deployment whose beginner is looked for."""

    service_arn: str
    created_at: datetime
    task_definition_arn: str
    is_first: bool = False

    @property
    def event_names(self) -> tuple[str, ...]:
        """Return the calls that begin such a deployment.

        Without a source it is the first of its service, or one of a service of which nothing ran.
        """
        return ("UpdateService", "CreateService") if self.is_first else ("UpdateService",)


@dataclass(frozen=True, slots=True)
class Match:
    """The event that began a deployment; None with the count of those between which nothing decides."""

    event: TrailEvent | None
    rivals: int = 0


def choose(events: Iterable[TrailEvent], wanted: Wanted) -> Match:
    """Return the one call that fits by service, parameters and time."""
    fitting = [event for event in events if fits(event, wanted)]
    near = [event for event in fitting if abs(event.at - wanted.created_at) <= AT_ONCE]
    left = near or fitting
    if len(left) == 1:
        return Match(left[0])
    return Match(None, rivals=len(left))


def fits(event: TrailEvent, wanted: Wanted) -> bool:
    """Whether an event may have begun a deployment."""
    return (
        event.name in wanted.event_names
        and not event.error_code
        and abs(event.at - wanted.created_at) <= WINDOW
        and is_of_service(event, wanted.service_arn)
        and begins_deployment(event)
        and leads_to(event, wanted.task_definition_arn)
    )


def is_of_service(event: TrailEvent, service_arn: str) -> bool:
    """Whether the call names the service, by the ARN of the answer or by what was asked."""
    answered = member(event.answer, "service").get("serviceArn")
    if answered:
        return bool(answered == service_arn)
    *_, cluster, name = service_arn.split("/")
    asked = str(event.params.get("service") or event.params.get("serviceName") or "")
    asked_cluster = str(event.params.get("cluster") or "default")
    return asked.rsplit("/", 1)[-1] == name and asked_cluster.rsplit("/", 1)[-1] == cluster


def begins_deployment(event: TrailEvent) -> bool:
    """Whether the parameters of a call begin a deployment; the autoscaler's count does not."""
    if event.name == "CreateService":
        return True
    asked = {key for key, value in event.params.items() if value not in (None, "", [])}
    return bool(asked & BEGINS) or event.params.get("forceNewDeployment") is True


def leads_to(event: TrailEvent, definition: str) -> bool:
    """Whether a call leads to a task definition: as ECS answered, else as it was asked for."""
    if not definition:
        return True
    primaries = [
        item.get("taskDefinition")
        for item in sequence(member(event.answer, "service").get("deployments"))
        if isinstance(item, Mapping) and item.get("status") == "PRIMARY"
    ]
    if primaries and primaries[0]:
        return bool(primaries[0] == definition)
    asked = str(event.params.get("taskDefinition") or "")
    if not asked:
        return True
    name = definition.rsplit("/", 1)[-1]
    # A family alone means its newest revision at that moment.
    return asked.rsplit("/", 1)[-1] in (name, name.rpartition(":")[0])


def spans_of(moments: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the spans of time around moments, those that touch joined, the newest first."""
    spans: list[tuple[datetime, datetime]] = []
    for moment in sorted(moments):
        start, end = moment - WINDOW, moment + WINDOW
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans[::-1]


def member(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def short_principal(arn: str) -> str:
    """Return how a principal is shown in a list: role and session, or the user."""
    resource = arn.split(":", 5)[-1]
    for kind in ("assumed-role/", "user/", "role/"):
        if resource.startswith(kind):
            return resource.removeprefix(kind)
    return resource
