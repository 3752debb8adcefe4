"""What the pages of changes read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group, User
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone

from access.decisions import Binding, decide
from access.models import RoleBinding
from access.queries import Access
from access.resources import Resource
from access.waiting import requests_for
from clusters.models import Service, ServiceDeployment, Task
from clusters.service_view import primary_of
from deployments.approvals import roles_at
from deployments.models import Approval, Change, Kind
from deployments.models.changes import BESIDE
from deployments.pauses import STAGED, Pause, paused
from deployments.policies import Voice
from deployments.returning import identities_of, running_deployment
from deployments.states import ACTIVE, State

if TYPE_CHECKING:
    from ecsconsole.http import ConsoleRequest

ROLLBACK_CHOICES = 20
# How far back is looked for them.
SUCCESSES_READ = 200
SUCCESSFUL = "SUCCESSFUL"
# While one of these stands, ECS still works on it and StopServiceDeployment(ROLLBACK) is possible.
IN_FLIGHT = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class RailCounts:
    """The two counts of the rail."""

    active_changes: int
    waiting_approvals: int


def changes_with_places() -> QuerySet[Change]:
    """Return changes with everything that a row of them names."""
    return Change.objects.select_related("service__cluster__account", "requester")


def rail_counts(access: Access) -> RailCounts:
    """Count what is active and what waits for this person, in three queries and those of `requests_for`."""
    active = access.visible(Change.objects.filter(state__in=sorted(ACTIVE))).count()
    waiting = waiting_for(access).count() if access.holds("change.approve") else 0
    held = len(paused_deployments(access)) if access.holds("service.deploy") else 0
    return RailCounts(active, waiting + held + len(requests_for(access, timezone.now())))


def waiting_for(access: Access) -> QuerySet[Change]:
    """Return the changes that this person could approve: in their places, asked by somebody else, unexpired.

    One that they have approved comes back when their approval is void or has expired.
    """
    now = timezone.now()
    open_ones = Change.objects.filter(state=State.AWAITING_APPROVAL).exclude(requester_id=access.user.pk)
    counting = Approval.objects.filter(approver_id=access.user.pk, voided_at=None, expires_at__gt=now)
    undecided = open_ones.exclude(pk__in=counting.values("change"))
    return access.visible(
        undecided.filter(Q(deadline_at=None) | Q(deadline_at__gt=now)), action="change.approve"
    )


def get_change(request: ConsoleRequest, pk: int) -> Change:
    """Return a change that this person may see, or 404."""
    changes = changes_with_places().select_related("rollback_requested_by", "token", "replaces")
    change = request.access.visible(changes).filter(pk=pk).first()
    if change is None:
        raise Http404
    return change


def active_change_of(service: Service) -> Change | None:
    """Return the one active change of a service; stopping single tasks does not count."""
    changes = Change.objects.filter(service=service, state__in=sorted(ACTIVE), holds_slot=True)
    changes = changes.exclude(kind__in=BESIDE)
    return changes.select_related("service__cluster__account", "requester").first()


def active_stop_of(task: Task) -> Change | None:
    """Return the change that is stopping a task at the moment."""
    stops = Change.objects.filter(kind=Kind.STOP_TASK, state__in=sorted(ACTIVE), service=task.service)
    return stops.filter(spec__task_id=task.task_id).first()


def rollout_in_flight(service: Service) -> ServiceDeployment | None:
    """Return the service deployment that ECS works on, None when nothing rolls out."""
    if primary_of(service.facts).get("rolloutState") != "IN_PROGRESS":
        return None
    current = service.facts.get("currentServiceDeployment", "")
    in_flight = Q(arn=current) if current else Q(status__in=IN_FLIGHT)
    return service.service_deployments.filter(in_flight).order_by("-created_at").first()


def paused_deployments(access: Access) -> list[tuple[ServiceDeployment, Pause]]:
    """Return the deployments that a hook holds where this person may answer, the next to expire first."""
    held = ServiceDeployment.objects.filter(status="IN_PROGRESS", strategy__in=STAGED)
    mine = access.visible(held.select_related("service__cluster__account"), action="service.deploy")
    return paused(mine.order_by("-created_at"))


def rollback_candidates(service: Service) -> list[ServiceDeployment]:
    """Return the newest success of each definition and its digests that do not run now, the latest first.

    Only what succeeded is offered: the revision before this one may never have worked. What ran under the same
    definition before a forced deployment is a place of its own, if its tags meant other images.
    """
    successes = service.service_deployments.filter(status=SUCCESSFUL).exclude(task_definition_arn="")
    newest = list(successes.order_by("-created_at").defer("facts")[:SUCCESSES_READ])
    running, keys = running_deployment(service, newest), identities_of(newest)
    seen = {keys[running.pk]} if running else set()
    chosen: list[ServiceDeployment] = []
    for found in newest:
        key = keys[found.pk]
        if key in seen or (running is None and found.task_definition_arn == service.task_definition_arn):
            continue
        seen.add(key)
        chosen.append(found)
    return chosen[:ROLLBACK_CHOICES]


class Approvers:
    """Who may approve where; bindings and groups are read once for a whole page."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        rows = RoleBinding.objects.filter(token=None).select_related("user", "group")
        rows = rows.prefetch_related("group__user_set")
        self.bindings: dict[User, list[Binding]] = {}
        for row in rows:
            people: Iterable[User] = row.group.user_set.all() if row.group else filter(None, [row.user])
            for person in people:
                if person.is_active:
                    self.bindings.setdefault(person, []).append(row.as_binding())
        self.groups: dict[int, set[str]] = {}
        for user_id, name in Group.objects.filter(user__isnull=False).values_list("user__pk", "name"):
            self.groups.setdefault(user_id, set()).add(name)

    def voices(self, resource: Resource) -> list[Voice]:
        """Return those who may approve at a place, with the roles and groups for which they speak."""
        return [
            Voice(
                person.pk,
                person.get_username(),
                roles_at(bindings, resource, self.now),
                frozenset(self.groups.get(person.pk, ())),
            )
            for person, bindings in self.bindings.items()
            if decide(bindings, "change.approve", resource, self.now)
        ]

    def at(self, resource: Resource, *, without: int | None = None) -> list[str]:
        """Return the names of those who may approve at a place, without the requester."""
        return sorted(voice.name for voice in self.voices(resource) if voice.user_id != without)
