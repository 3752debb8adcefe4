"""Small drawings that every template needs: icons, status glyphs, ages, environment tags, sort links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ecsconsole.ages import duration_words, relative_words

register = template.Library()

# Class that carries the colour, shape in the sprite, word. The three always appear together.
STATUSES: dict[str, tuple[str, str, str]] = {
    "unknown": ("stale", "s-stale", "Unknown"),
    "failed": ("failed", "s-failed", "Failed"),
    "degraded": ("degraded", "s-degraded", "Degraded"),
    "deploying": ("deploying", "s-deploying", "Deploying"),
    "zero": ("zero", "s-zero", "Scaled to zero"),
    "steady": ("steady", "s-steady", "Steady"),
}
# Environments are told by the tag's outline, never by hue.
ENVIRONMENTS = {
    "production": ("prod", "prod"),
    "staging": ("staging", "staging"),
    "development": ("dev", "dev"),
}


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """Draw an icon of the sprite, 16 px, hidden from screen readers."""
    classes = f"i {css}".strip()
    return format_html('<svg class="{}" aria-hidden="true"><use href="#i-{}"/></svg>', classes, name)


@register.simple_tag
def glyph(status: str) -> SafeString:
    """Draw the shape of a status; the word must stand beside it."""
    css, shape, _word = STATUSES[str(status)]
    return format_html('<svg class="g c-{}" aria-hidden="true"><use href="#{}"/></svg>', css, shape)


@register.simple_tag
def status_word(status: str) -> str:
    return STATUSES[str(status)][2]


@register.simple_tag
def status_pill(status: str) -> SafeString:
    """Draw a status as a pill: shape, word and colour."""
    css, _shape, word = STATUSES[str(status)]
    return format_html('<span class="st {} pill">{}{}</span>', css, glyph(status), word)


@register.simple_tag
def status_text(status: str, text: str = "") -> SafeString:
    """Draw a status in running text, with its own word or the given one such as "3 steady"."""
    css, _shape, word = STATUSES[str(status)]
    return format_html('<span class="st {}">{}{}</span>', css, glyph(status), text or word)


def time_element(moment: datetime, words: str, form: str) -> SafeString:
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-age="{}">{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        form,
        words,
    )


@register.simple_tag
def age(moment: datetime | None, missing: str = "never") -> SafeString:
    """Say how long ago something was, absolute UTC on hover; the page keeps it current."""
    if moment is None:
        return format_html('<span class="dim">{}</span>', missing)
    return time_element(moment, relative_words(moment, timezone.now()), "ago")


@register.simple_tag
def lasting(since: datetime | None) -> SafeString:
    """Say for how long something has lasted, such as "2 d"; the page keeps it current."""
    if since is None:
        return SafeString("")
    return time_element(since, duration_words((timezone.now() - since).total_seconds()), "for")


@register.simple_tag
def clock(moment: datetime | None) -> SafeString:
    """Say a moment of an incident by its UTC clock time, with the date on hover."""
    if moment is None:
        return SafeString("")
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        utc.strftime("%H:%M:%S"),
    )


@register.simple_tag
def stamp(moment: datetime | None) -> SafeString:
    """Say a moment in full UTC, as auditors and log readers want it."""
    if moment is None:
        return SafeString("")
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}">{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


@register.simple_tag
def env_tag(environment: str) -> SafeString:
    """Draw an environment tag: prod solid, staging outlined, dev dashed."""
    css, word = ENVIRONMENTS.get(str(environment), ("", str(environment)))
    return format_html('<span class="tag {}">{}</span>', css, word)


@register.filter
def short_arn(arn: str) -> str:
    """Return the part of an ARN that people call the thing by."""
    return (
        arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        if arn.count(":task-definition/") == 0
        else arn.rsplit("/", 1)[-1]
    )


@register.filter
def revision(arn: str) -> str:
    """Return `:214` of a task definition ARN."""
    number = arn.rsplit(":", 1)[-1]
    return f":{number}" if number.isdigit() else ""


@register.filter
def initials(name: str) -> str:
    """Return up to two letters for an avatar."""
    parts = [part for part in name.replace(".", " ").replace("-", " ").replace("_", " ").split() if part]
    letters = "".join(part[0] for part in parts[:2]) if len(parts) > 1 else name[:2]
    return letters.upper()


@register.simple_tag
def copy_button(value: str, label: str) -> SafeString:
    """Draw a button that copies a value, such as "Copy ARN"."""
    return format_html(
        '<button class="btn icon quiet" type="button" data-copy="{}" aria-label="{}" title="{}">{}</button>',
        value,
        label,
        label,
        icon("copy"),
    )


@register.simple_tag(takes_context=True)
def query(context: Mapping[str, Any], **changes: str | int | None) -> str:
    """Return this page's query string with some parameters set, or removed by None or an empty value."""
    request = context.get("request")
    params = request.GET.copy() if request is not None else QueryDict(mutable=True)
    for name, value in changes.items():
        params.pop(name, None)
        if value not in (None, ""):
            params[name] = str(value)
    return f"?{params.urlencode()}" if params else "?"


@register.inclusion_tag("components/sort_link.html", takes_context=True)
def sort_link(context: Mapping[str, Any], key: str, label: str) -> dict[str, Any]:
    """Draw a column head that sorts: first ascending, then descending, then not at all."""
    request = context.get("request")
    current = request.GET.get("sort", "") if request is not None else ""
    following = {key: f"-{key}", f"-{key}": ""}.get(current, key)
    return {
        "label": label,
        "href": query(context, sort=following, page=None),
        "direction": {key: "ascending", f"-{key}": "descending"}.get(current, ""),
        "target": context.get("sort_target", ""),
    }


@register.simple_tag(takes_context=True)
def aria_sort(context: Mapping[str, Any], key: str) -> SafeString:
    """Return the aria-sort attribute of a column head."""
    request = context.get("request")
    current = request.GET.get("sort", "") if request is not None else ""
    word = {key: "ascending", f"-{key}": "descending"}.get(current)
    return format_html(' aria-sort="{}"', word) if word else SafeString("")


@register.simple_tag(takes_context=True)
def current_place(context: Mapping[str, Any], *prefixes: str) -> SafeString:
    """Return aria-current for a rail link whose address this page is under."""
    request = context.get("request")
    # A rail fetched on its own says for which page it is.
    path = context.get("at") or (request.path if request is not None else "")
    here = any(path == prefix or (prefix != "/" and path.startswith(prefix)) for prefix in prefixes)
    return SafeString(' aria-current="page"') if here else SafeString("")


@register.simple_tag(takes_context=True)
def may(context: Mapping[str, Any], action: str) -> bool:
    """Whether this person may do something anywhere at all, for links to pages that filter by themselves."""
    access = getattr(context.get("request"), "access", None)
    return access is not None and bool(access.holds(action))
