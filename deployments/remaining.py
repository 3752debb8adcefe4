"""What is left to do before the final button of a form can work, in words."""

from __future__ import annotations

from collections.abc import Sequence

from clusters.models import Environment, Service
from deployments.composition import Composition

NUMBER_WORDS = {1: "One thing", 2: "Two things", 3: "Three things", 4: "Four things"}
PLAN_WORDS = {
    "none": "change something",
    "error": "resolve what stops the plan",
    "refused": "resolve the refused check",
}


def what_is_left(service: Service, composition: Composition, plan_state: str) -> str:
    """Say what a composer still lacks, empty when its button can work."""
    left = ["fix what is marked red"] if composition.errors else []
    if plan_state in PLAN_WORDS and not (composition.errors and plan_state == "error"):
        left.append(PLAN_WORDS[plan_state])
    return left_sentence(left + confirmation_left(service, composition.reason, composition.confirm))


def left_sentence(left: Sequence[str]) -> str:
    """Return "Two things left: ...", empty for none."""
    return f"{NUMBER_WORDS.get(len(left), 'Things')} left: {', '.join(left)}." if left else ""


def confirmation_left(service: Service, reason: str, confirm: str) -> list[str]:
    """Return what production still asks for: a reason and the typed name."""
    if service.environment != Environment.PRODUCTION:
        return []
    left = [] if reason else ["give a reason"]
    if confirm != service.name:
        left.append("finish typing the name" if confirm else f"type {service.name}")
    return left
