"""Small drawings of the ledger's pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.models import AuditEntry

register = template.Library()
CHANGE = re.compile(r"CR-(\d{1,18})")


@register.filter
def grouped(number: int) -> str:
    """Return a number with its thousands apart: 18,442."""
    return f"{number:,}"


@register.filter
def ends(digest: str) -> str:
    """Return the two ends of a hash, as people compare them."""
    return f"{digest[:4]}…{digest[-4:]}"


@register.simple_tag
def exactly(moment: datetime) -> SafeString:
    """Say a moment to the millisecond."""
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" class="mono">{}</time> UTC',
        utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        utc.strftime("%Y-%m-%d %H:%M:%S.") + f"{utc.microsecond // 1000:03d}",
    )


@register.simple_tag
def minute(moment: datetime) -> SafeString:
    """Say a clock time of today, or the date with it: 14:00 UTC."""
    utc = moment.astimezone(UTC)
    form = "%H:%M" if utc.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M"
    return format_html(
        '<time datetime="{}" title="{}">{} UTC</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        utc.strftime(form),
    )


@register.simple_tag
def moment(text: str) -> datetime:
    """Return the moment that an entry's data carries as text."""
    return datetime.fromisoformat(text)


@register.simple_tag
def target_link(entry: AuditEntry) -> SafeString | str:
    """Name what an entry is about, and lead to it where it has a page."""
    found = CHANGE.fullmatch(entry.target)
    if found is None:
        return entry.target or "none"
    try:
        return format_html('<a href="{}">{}</a>', reverse("change", args=[int(found[1])]), entry.target)
    except NoReverseMatch:
        return entry.target
