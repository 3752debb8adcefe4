"""The terms of a request as a form holds them: when, behind what, in spite of what; with what was typed and what may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.http import QueryDict
from django.utils import timezone

from access.queries import people_who_can
from clusters.models import Service
from deployments.freezes import Hold, hold_on
from deployments.models import ApprovalPolicy, Change, Freeze, Override
from deployments.overrides import MOST_HOURS, PERMISSIONS
from deployments.policies import current_policies, is_about, subjects_of
from deployments.states import NOT_BEGUN
from deployments.terms import IfBusy, OverrideAsked, Terms, error_of_hour
from ecsconsole.numbers import is_number

if TYPE_CHECKING:
    from access.queries import Access

LATER = "at"
FORM_TIME = "%Y-%m-%dT%H:%M"
KINDS = {Override.Kind.OVERRIDE: "Override", Override.Kind.BREAK_GLASS: "Break the glass"}


@dataclass(slots=True)
class Asking:
    """What was typed of the terms; `errors` by the names of the fields."""

    when: str = "now"
    at: str = ""
    if_busy: str = IfBusy.REFUSE
    is_override: bool = False
    kind: str = ""
    rules: tuple[str, ...] = ()
    reason: str = ""
    ticket: str = ""
    hours: str = "1"
    replaces: Change | None = None
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def scheduled_at(self) -> datetime | None:
        """Return the hour that was typed, in UTC; None for now and for what cannot be meant."""
        if self.when != LATER or "scheduled_at" in self.errors:
            return None
        try:
            return datetime.strptime(self.at[:16], FORM_TIME).replace(tzinfo=UTC)
        except ValueError:
            return None

    @property
    def terms(self) -> Terms:
        """Return the terms, as far as they can be meant."""
        override = None
        if self.is_override:
            hours = int(self.hours) if is_number(self.hours) else 0
            override = OverrideAsked(self.kind, self.rules, self.reason, self.ticket, hours)
        busy = IfBusy(self.if_busy) if self.if_busy in set(IfBusy) else IfBusy.REFUSE
        return Terms(if_busy=busy, scheduled_at=self.scheduled_at, override=override, replaces=self.replaces)

    @property
    def is_open(self) -> bool:
        """Whether anything but the usual is asked for, so that the form shows it at once."""
        return self.when == LATER or self.is_override or self.if_busy != IfBusy.REFUSE


def read_asking(data: QueryDict, service: Service) -> Asking:
    """Read the terms from a form; what cannot be meant becomes an error at its field."""
    asking = Asking(
        when=data.get("when", "now"),
        at=data.get("at", "").strip(),
        if_busy=data.get("if_busy", IfBusy.REFUSE),
        is_override=data.get("override") == "yes",
        kind=data.get("override_kind", ""),
        rules=tuple(data.getlist("override_rules")),
        reason=data.get("override_reason", "").strip(),
        ticket=data.get("override_ticket", "").strip(),
        hours=data.get("override_hours", "1").strip(),
        replaces=replaced(data.get("replaces", ""), service),
    )
    if asking.when == LATER and asking.scheduled_at is None:
        asking.errors["scheduled_at"] = "Give the day and the time at which it begins, in UTC."
    elif error := error_of_hour(asking.scheduled_at, timezone.now()):
        asking.errors["scheduled_at"] = error
    return asking


def replaced(number: str, service: Service) -> Change | None:
    """Return the request that an edited one takes the place of, if it still waits."""
    if not is_number(number):
        return None
    return Change.objects.filter(pk=int(number), service=service, state__in=sorted(NOT_BEGUN)).first()


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A freeze or a policy that can be gone past by name."""

    value: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose of the terms, at a place, now."""

    hold: Hold | None
    obstacles: list[Obstacle]
    # The kinds of override that they hold the right to, by value and label.
    kinds: list[tuple[str, str]]
    # Who could, where they cannot.
    others: list[str]
    most_hours: int = MOST_HOURS


def choices_for(
    service: Service, kind: str, spec: Mapping[str, Any], access: Access, asking: Asking, now: datetime
) -> Choices:
    """Return what can be chosen: the freezes and policies in the way, and which rights there are to go past them."""
    place = service.access_resource
    hold = hold_on(kind, spec, place, asking.scheduled_at or now)
    freezes: list[Freeze] = list(hold.freezes) if hold else []
    subjects = subjects_of(kind, spec)
    policies: list[ApprovalPolicy] = [
        policy
        for policy in current_policies()
        if is_about(policy, subjects) and policy.holds_at(place) and (policy.approvals or policy.must_include)
    ]
    kinds = [(str(value), label) for value, label in KINDS.items() if access.can(PERMISSIONS[value], place)]
    obstacles = [obstacle("freeze", freeze, asking) for freeze in freezes]
    obstacles += [obstacle("policy", policy, asking) for policy in policies]
    others = []
    if obstacles and not kinds:
        people = {
            person.get_username() for right in PERMISSIONS.values() for person in people_who_can(right, place)
        }
        others = sorted(people)
    return Choices(hold, obstacles, kinds, others)


def obstacle(kind: str, rule: Freeze | ApprovalPolicy, asking: Asking) -> Obstacle:
    value = f"{kind}:{rule.pk}"
    return Obstacle(value, f"{'Freeze' if kind == 'freeze' else 'Policy'} {rule}", value in asking.rules)
