"""Small drawings and lookups of the pages of changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clusters.models import Service, ServiceDeployment, Task
from clusters.service_queries import definition_address
from clusters.spans import spell
from deployments.addresses import asking_page
from deployments.buttons import Button
from deployments.change_view import ATTEMPT_LOOKS
from deployments.image_reference import parse
from deployments.models import Attempt, Change, Kind
from deployments.pauses import Pause
from deployments.plans import OK, REFUSE, WARN
from deployments.preflight.churn import TWO_SIDED
from deployments.preflight.tree import RANK, Branch, part, tree_of
from deployments.states import State

register = template.Library()

CHECK_LOOKS = {
    OK: ("steady", "s-steady", "OK"),
    WARN: ("degraded", "s-degraded", "Warning"),
    REFUSE: ("failed", "s-failed", "Refused"),
}


@register.simple_tag
def service_page(view: str, service: Service) -> str:
    """Return the address of one of a service's pages."""
    return reverse(view, args=service.url_args)


@register.simple_tag
def task_page_of(view: str, task: Task) -> str:
    """Return the address of one of a task's pages."""
    cluster = task.cluster
    return reverse(view, args=[cluster.account.account_id, cluster.region, cluster.name, task.task_id])


@register.filter
def get(mapping: Mapping[str, Any] | None, key: str) -> Any:
    return (mapping or {}).get(key)


@register.filter
def spelled(span: timedelta) -> str:
    """Return a length of time in words."""
    return spell(span)


@register.filter
def joined(values: Iterable[str]) -> str:
    """Join sentences, each once."""
    return " ".join(dict.fromkeys(values))


@register.filter
def changed_groups(groups: Sequence[Any] | None) -> list[Any]:
    """Return the groups of a diff in which something changes."""
    return [group for group in groups or [] if part(group, "changed_count")]


@register.filter
def changed_total(groups: Sequence[Any]) -> int:
    return sum(int(part(group, "changed_count") or 0) for group in groups)


@register.filter
def check_tree(checks: Iterable[Any] | None) -> list[Branch]:
    """Return checks as groups, each as bad as its worst check."""
    return tree_of(checks)


@register.simple_tag
def check_glyph(level: str) -> SafeString:
    css, shape, _ = CHECK_LOOKS[level]
    return format_html('<svg class="g c-{}" aria-hidden="true"><use href="#{}"/></svg>', css, shape)


@register.simple_tag
def check_status(level: str) -> SafeString:
    """Draw what a check says: shape, word and colour."""
    css, _, word = CHECK_LOOKS[level]
    return format_html('<span class="st {}">{}{}</span>', css, check_glyph(level), word)


@register.simple_tag
def check_sum(checks: Sequence[Any] | None) -> SafeString:
    """Say how many checks passed, warn and refuse."""
    counts = {level: sum(part(check, "level") == level for check in checks or []) for level in RANK}
    passed = format_html("{} passed", counts[OK])
    if counts[WARN]:
        plural = "" if counts[WARN] == 1 else "s"
        passed = format_html('{}, <b class="c-degraded">{} warning{}</b>', passed, counts[WARN], plural)
    if counts[REFUSE]:
        passed = format_html('{}, <b class="c-failed">{} refused</b>', passed, counts[REFUSE])
    return passed


@register.simple_tag
def state_glyph(state: str) -> SafeString:
    found = State(state)
    css = "i" if found.glyph.startswith("i-") else "g"
    return format_html(
        '<svg class="{} c-{}" aria-hidden="true"><use href="#{}"/></svg>', css, found.css, found.glyph
    )


@register.simple_tag
def state_text(state: str) -> SafeString:
    """Draw a change's state in running text: shape, word and colour."""
    found = State(state)
    return format_html('<span class="st {}">{}{}</span>', found.css, state_glyph(state), found.label)


@register.simple_tag
def state_pill(change: Change) -> SafeString:
    """Draw a change's state as a pill."""
    found = change.state_choice
    return format_html('<span class="st {} pill">{}{}</span>', found.css, state_glyph(found), found.label)


@register.filter
def as_sentence(text: str) -> str:
    """End a person's words with a full stop, where they left it out."""
    words = text.strip()
    return words if words.endswith((".", "!", "?", "…", ":")) else f"{words}."


@register.filter
def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


@register.filter
def version(reference: str) -> str:
    """Return what people call an image: its tag, else its short digest."""
    return parse(reference).version


@register.filter
def short_digest(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


@register.filter
def reasons(buttons: Iterable[Button]) -> list[str]:
    """Return why buttons are off, each reason once; those that need the same role share a sentence."""
    off = [button for button in buttons if button.reason]
    said = list(dict.fromkeys(button.reason for button in off if not button.roles))
    for roles in dict.fromkeys(button.roles for button in off if button.roles):
        labels = [lower_first(button.label) for button in off if button.roles == roles]
        last = f"{', '.join(labels[:-1])} or {labels[-1]}" if labels[1:] else labels[0]
        said.append(f"To {last} here you need the role {roles}.")
    return said


@register.simple_tag
def pause_expiry(pause: Pause) -> str:
    """Say what ECS does by itself with a pause that nobody answers, and when."""
    return pause.expiry(timezone.now())


@register.filter
def churn_words(churn: Mapping[str, Any] | None) -> str:
    """Say what a change costs in tasks."""
    churn = churn or {}
    started, stopped = churn.get("tasks_started"), churn.get("tasks_stopped")
    if started is None and stopped is None:
        return ""
    words = f"Starts {tasks(started or 0)}, stops {tasks(stopped or 0)}"
    if peak := churn.get("peak"):
        least = churn.get("lowest")
        bounds = f"between {least} and {peak}" if least is not None else f"at most {peak}"
        words = f"{words}; {bounds} run at once"
    if churn.get("strategy") in TWO_SIDED and churn.get("extra"):
        words = f"{words}, the old and the new side by side"
    words = f"{words}. It could never move: see the checks." if churn.get("can_deadlock") else f"{words}."
    return f"{words} {churn['usual']}." if churn.get("usual") else words


def tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


@register.filter
def as_json(value: Any) -> str:
    """Return parameters of a call as they are sent."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.simple_tag
def check_tone(tone: str) -> SafeString:
    """Draw the shape of a risk cue."""
    shape = {"steady": "s-steady", "degraded": "s-degraded"}.get(tone, "s-zero")
    return format_html('<svg class="g c-{}" aria-hidden="true"><use href="#{}"/></svg>', tone, shape)


@register.simple_tag
def attempt_glyph(attempt: Attempt) -> SafeString:
    """Draw the outcome of a call."""
    shape, colour, _ = ATTEMPT_LOOKS[Attempt.Outcome(attempt.outcome)]
    css = "i" if shape.startswith("i-") else "g"
    return format_html('<svg class="{} c-{}" aria-hidden="true"><use href="#{}"/></svg>', css, colour, shape)


@register.simple_tag
def definition_page(deployment: ServiceDeployment) -> str:
    """Return the address of the task definition that a deployment rolled out."""
    return definition_address(deployment.service.cluster, deployment.task_definition_arn)


@register.simple_tag
def again_page(change: Change) -> str:
    """Return where the same can be asked for again, filled in."""
    page = asking_page(change.kind, change.service, change.spec)
    if change.kind == Kind.SCALE:
        return f"{page}?desired_count={change.spec.get('desired_count', '')}"
    return f"{page}?change={change.pk}" if change.kind == Kind.DEPLOY else page


@register.simple_tag
def change_page(number: str) -> str:
    """Return the address of a change by its number: CR-12."""
    return reverse("change", args=[int(number.removeprefix("CR-"))])
