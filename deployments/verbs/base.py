"""The small interface behind which each verb lives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from clusters.models import Service
from deployments.fingerprint import Base
from deployments.models import Change
from deployments.plans import Check, Outline
from deployments.running import Next, Run

Spec = dict[str, Any]


class Verb(Protocol):
    """What a kind of change plans, checks and does. Nothing here keeps state between calls."""

    permission: str
    # How long ECS may take before a person is asked to look.
    deadline: timedelta
    # Whether it excludes other changes of the service while it is active.
    takes_slot: bool
    # Whether a change that has not begun gives way to it.
    goes_first: bool

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        """Return the spec in its one form; raises `InvalidSpec`."""
        ...

    def title(self, service: Service, spec: Spec) -> str: ...

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        """Return what the change builds upon, from DescribeServices facts."""
        ...

    def plan(self, service: Service, spec: Spec) -> Outline:
        """Return the calls in their order, what differs and what it costs in tasks."""
        ...

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        """Return the checks that only this verb makes."""
        ...

    def step(self, run: Run) -> Next:
        """Make at most the calls that are due, look at ECS once, and say when to come back."""
        ...

    def can_be_rolled_back(self, change: Change) -> bool:
        """Whether a rollback of the running change means anything."""
        ...
