"""Who may do what: roles, bindings and one pure decision."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from access.resources import Resource
from ecsconsole.errors import ConsoleError

ROLE_LABELS = {
    "viewer": "viewer",
    "operator": "operator",
    "on_call": "on-call",
    "release_manager": "release manager",
    "auditor": "auditor",
    "admin": "admin",
}
SEE = frozenset({"fleet.view", "logs.view"})
OPERATE = SEE | {
    "service.deploy",
    "service.restart",
    "service.scale",
    "service.rollback",
    "task.stop",
    "task.run",
    "change.cancel",
}
ROLES: dict[str, frozenset[str]] = {
    "viewer": SEE,
    "operator": OPERATE,
    # Bound for the days of a rotation: goes past approvals and freezes, and answers for it afterwards.
    "on_call": OPERATE | {"change.break_glass", "env.reveal"},
    "release_manager": OPERATE | {"change.approve", "freeze.manage", "freeze.override", "env.reveal"},
    "auditor": SEE | {"audit.view", "audit.export"},
    # Being an admin gives no right to deploy or approve: those roles are granted, and the grant is in the ledger.
    "admin": SEE | {"account.manage", "access.manage", "policy.manage", "settings.manage"},
}
ACTIONS = frozenset().union(*ROLES.values())
# What a token of a scope may carry; approving, overriding and managing are for people at a keyboard.
SCOPES: dict[str, frozenset[str]] = {
    "read": SEE,
    "operate": OPERATE,
}
ACTION_PHRASES = {
    "fleet.view": "see services",
    "logs.view": "read logs",
    "service.deploy": "deploy",
    "service.restart": "restart services",
    "service.scale": "scale services",
    "service.rollback": "roll back",
    "task.stop": "stop tasks",
    "task.run": "run tasks",
    "change.cancel": "cancel changes",
    "change.approve": "approve changes",
    "change.break_glass": "break the glass",
    "env.reveal": "reveal values of variables",
    "freeze.manage": "manage freezes",
    "freeze.override": "override freezes and policies",
    "policy.manage": "manage approval policies",
    "audit.view": "read the audit ledger",
    "audit.export": "export the audit ledger",
    "account.manage": "manage accounts",
    "access.manage": "manage access",
    "settings.manage": "change settings",
}
# Whom to ask is said by name up to this many.
MOST_NAMES = 5
DIMENSIONS = tuple(field.name for field in fields(Resource))


@dataclass(frozen=True, slots=True)
class Binding:
    """A role at a place; an empty part means any, `cluster` and `service` may be globs."""

    id: int
    role: str
    environment: str = ""
    account_id: str = ""
    region: str = ""
    cluster: str = ""
    service: str = ""
    allows: bool = True
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, why, and by which bindings; true when allowed."""

    allowed: bool
    reason: str
    binding_ids: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.allowed


class PermissionMissing(ConsoleError):
    """The person sees the thing and may not do this to it."""

    status = 403
    title = "Permission missing"

    def __init__(self, action: str, resource: Resource, decision: Decision) -> None:
        super().__init__(decision.reason, details={"Missing permission": action, "Where": str(resource)})
        self.action = action
        self.resource = resource

    def found_out(self) -> dict[str, str]:
        """Name who can give the permission: looked up where the refusal is shown, and nowhere else."""
        from access.queries import people_who_can

        names = [person.get_username() for person in people_who_can("access.manage", self.resource)]
        more = len(names) - MOST_NAMES
        shown = ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
        return {"Who can give it": shown or "nobody yet: manage.py grant, on the server"}


@lru_cache(maxsize=1024)
def glob_regex(glob: str) -> str:
    """Translate a glob to a regular expression for Python, SQLite and PostgreSQL; `*` never crosses a `/`."""
    return "^" + re.escape(glob).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "$"


def is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def part_matches(pattern: str, value: str) -> bool:
    """Whether one part of a binding covers one part of a resource."""
    if not pattern:
        return True
    if is_glob(pattern):
        return re.match(glob_regex(pattern), value) is not None
    return pattern == value


def covers(binding: Binding, resource: Resource) -> bool:
    """Whether a binding's place contains the resource."""
    return all(part_matches(getattr(binding, name), getattr(resource, name)) for name in DIMENSIONS)


def in_force(binding: Binding, now: datetime) -> bool:
    return binding.not_after is None or now < binding.not_after


def roles_with(action: str) -> list[str]:
    """Return the labels of the roles that carry an action."""
    return [ROLE_LABELS[role] for role, actions in ROLES.items() if action in actions]


def one_of(names: list[str]) -> str:
    """Return "a, b or c"."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1] if names else "") if part)


def decide(bindings: Iterable[Binding], action: str, resource: Resource, now: datetime) -> Decision:
    """Decide one request: a deny wins over every allow, and what is not known is denied."""
    if action not in ACTIONS:
        return Decision(False, f"Nothing grants {action}: the console does not know it.")
    current = [
        b for b in bindings if in_force(b, now) and covers(b, resource) and action in ROLES.get(b.role, ())
    ]
    denying = tuple(b.id for b in current if not b.allows)
    if denying:
        return Decision(False, f"A binding denies you to {ACTION_PHRASES[action]} in {resource}.", denying)
    allowing = tuple(b.id for b in current if b.allows)
    if allowing:
        return Decision(True, f"Allowed in {resource}.", allowing)
    needed = one_of(roles_with(action))
    return Decision(False, f"To {ACTION_PHRASES[action]} in {resource} you need the role {needed}.")
