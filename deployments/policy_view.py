"""Approval policies as their pages show them: in words, by versions, and where nobody could satisfy them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from access.queries import Access
from access.resources import Resource
from clusters.models import Service
from clusters.spans import spell
from deployments.approvals import shortage
from deployments.models import ApprovalPolicy
from deployments.policies import SUBJECTS, Requirement, describe_who, rule_of
from deployments.queries import Approvers
from deployments.seeing import readable

# Services that are looked through, and of them those that one policy is tried at.
SERVICES_READ = 1000
MOST_TRIED = 25
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Short:
    """What a policy asks for and nobody could give, at services of its place."""

    missing: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A policy as the list shows it."""

    policy: ApprovalPolicy
    subjects: str
    asks: str
    short: Short | None
    can_manage: bool


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a policy, with what differs from the one before: field, before, after."""

    policy: ApprovalPolicy
    differences: list[tuple[str, str, str]]

    @property
    def words(self) -> list[tuple[str, str]]:
        return list(fields_in_words(self.policy).items())


class Trial:
    """Tries policies at the services that a person sees; everything is read once, in five queries."""

    def __init__(self, access: Access, now: datetime) -> None:
        services = access.visible(Service.objects.filter(gone_at=None)).select_related("cluster__account")
        self.places = [service.access_resource for service in services.defer("facts")[:SERVICES_READ]]
        self.approvers = Approvers(now)

    def short(self, policy: ApprovalPolicy) -> Short | None:
        """Return where nobody could satisfy a policy, None where somebody could at every service tried."""
        requirement = Requirement((replace(rule_of(policy), id=policy.pk or 0),))
        missing: dict[str, None] = {}
        names = []
        for place in self.tried(policy):
            if lacking := shortage(requirement, self.approvers.voices(place), ()):
                missing.update(dict.fromkeys(lacking))
                names.append(f"{place.service} in {place.cluster}")
        return Short(tuple(missing), tuple(names[:MOST_NAMED])) if names else None

    def tried(self, policy: ApprovalPolicy) -> list[Resource]:
        """Return services of a policy's place, one of each cluster before the second of any."""
        within = [place for place in self.places if policy.holds_at(place)]
        firsts = {(place.account_id, place.region, place.cluster): place for place in reversed(within)}
        chosen = list(firsts.values())
        rest = [place for place in within if place not in chosen]
        return (chosen + rest)[:MOST_TRIED]


def policy_lines(access: Access, now: datetime) -> list[Line]:
    """Return the policies in force that this person may read; six queries however many there are."""
    rows = ApprovalPolicy.objects.filter(superseded_at=None, is_retired=False).select_related("created_by")
    found = readable(access, rows, now)
    trial = Trial(access, now) if found else None
    return [
        Line(
            policy,
            subjects_in_words(policy.subjects),
            asks_in_words(policy),
            trial.short(policy) if trial else None,
            bool(access.can("policy.manage", policy.access_resource)),
        )
        for policy in found
    ]


def subjects_in_words(subjects: Iterable[str]) -> str:
    named = [SUBJECTS.get(name, name) for name in subjects]
    return ", ".join(named) if named else "Everything but a rollback"


def asks_in_words(policy: ApprovalPolicy) -> str:
    """Return how many of whom: "2 of release managers, one of the group sre among them"."""
    who = rule_of(policy).who()
    text = f"{policy.approvals} {who}" if policy.approvals else "nobody"
    if policy.must_include:
        named = " and ".join(f"one of {describe_who(who)}" for who in policy.must_include)
        text = f"{text}, {named} among them" if policy.approvals else named
    return text


def fields_in_words(policy: ApprovalPolicy) -> dict[str, str]:
    """Return what a policy says, by the names of its fields."""
    return {
        "Where": policy.place,
        "Asked for by": subjects_in_words(policy.subjects),
        "Approvals": str(policy.approvals),
        "From": " or ".join(describe_who(who) for who in policy.eligible) or "anybody who may approve there",
        "One each from": " and ".join(describe_who(who) for who in policy.must_include)
        or "nobody in particular",
        "An approval holds": spell(policy.expiry_hours * 3600),
        "Wait before it begins": spell(policy.wait_minutes * 60) if policy.wait_minutes else "none",
        "Ticket": policy.ticket_pattern or "not asked for",
        "Reason": "needed" if policy.needs_reason else "not needed",
    }


def versions_of(policy: ApprovalPolicy) -> list[Version]:
    """Return all versions of a policy, the newest first, in one query."""
    rows = ApprovalPolicy.objects.filter(name=policy.name).select_related("created_by").order_by("version")
    found: list[Version] = []
    before: dict[str, str] = {}
    for row in rows:
        after = fields_in_words(row)
        differences = [(name, before[name], after[name]) for name in before if before[name] != after[name]]
        found.append(Version(row, differences))
        before = after
    return found[::-1]
