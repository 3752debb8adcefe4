"""The checks as a tree: grouped by what they are about, a group being as bad as its worst check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.plans import OK, REFUSE, WARN

RANK = {OK: 0, WARN: 1, REFUSE: 2}
# The groups in the order in which they are read.
TITLES = {
    "request": "Request",
    "images": "Images",
    "roles": "Roles and secrets",
    "logs": "Logs",
    "network": "Network and load balancer",
    "capacity": "Capacity",
    "safety": "Rollout safety",
    "policy": "Policy and time",
}
# Ids by group. One that ends in a dash is followed by the name of a container, variable or target group.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "request": (
        *(
            "service-active",
            "data-age",
            "controller",
            "nothing-changes",
            "daemon",
            "task-running",
            "only-task",
        ),
        *("scale-to-zero", "definition", "in-flight", "target-succeeded", "target-known", "target-revision"),
        *("target-active", "same-definition", "unknown-members", "last-healthy", "protection", "exit"),
    ),
    "images": ("image-", "architecture-", "scan-", "expiry-", "nothing-to-pin"),
    "roles": ("execution-role", "task-role", "changing-role", "pass-role", "secret-"),
    "logs": ("log-configuration", "log-group-"),
    "network": (
        *(
            "network",
            "subnets",
            "load-balancer-",
            "alternate-",
            "target-group-",
            "health-check-",
            "grace-",
            "grace-unused",
            "drain-",
        ),
    ),
    "capacity": (
        *("task-size", "ephemeral-storage", "platform-version", "capacity-providers", "instance-room"),
        "fargate-quota",
    ),
    "safety": (
        *(
            "rollout-in-flight",
            "circuit-breaker",
            "deployment-alarms",
            "bounds",
            "last-good",
            "desired-count",
        ),
        *("autoscaler", "pause", "exec-later"),
    ),
    "policy": ("permission", "another-change", "scheduled", "freeze"),
}


@dataclass(frozen=True, slots=True)
class Branch:
    """A group of checks; `level` is that of its worst."""

    id: str
    title: str
    level: str
    checks: list[Any]

    @property
    def counts(self) -> dict[str, int]:
        return {level: sum(part(check, "level") == level for check in self.checks) for level in RANK}


def tree_of(checks: Iterable[Any] | None) -> list[Branch]:
    """Group checks, of a plan or as a change keeps them; the worst come first within a group, groups keep their order."""
    found: dict[str, list[Any]] = {name: [] for name in TITLES}
    for check in checks or []:
        found[group_of(str(part(check, "id")))].append(check)
    return [
        Branch(
            name,
            title,
            worst(found[name]),
            sorted(found[name], key=lambda one: -RANK.get(part(one, "level"), 2)),
        )
        for name, title in TITLES.items()
        if found[name]
    ]


def worst(checks: Iterable[Any]) -> str:
    return max((str(part(check, "level")) for check in checks), key=lambda level: RANK.get(level, 2))


def group_of(check_id: str) -> str:
    """Return the group of a check; one of a kind that is not known here belongs to the request."""
    return next(
        (name for name, ids in GROUPS.items() if any(matches(one, check_id) for one in ids)), "request"
    )


def matches(known: str, check_id: str) -> bool:
    return check_id.startswith(known) if known.endswith("-") else check_id == known


def part(item: Any, name: str) -> Any:
    """Return an attribute or a key: a plan's checks are objects when it is made and JSON when it is kept."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)
