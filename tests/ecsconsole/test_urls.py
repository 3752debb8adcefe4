"""Every address × every role: what it answers. A new address without a row fails."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver

PEOPLE = ["anonymous", "mallory", "carol", "alice", "bob", "dan", "erin"]
# Addresses of Django's admin are tested by their one rule, below.
SKIPPED = ("admin/",)


def named_patterns(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route.startswith(SKIPPED):
            continue
        if isinstance(pattern, URLResolver):
            yield from named_patterns(pattern.url_patterns, route)
        else:
            assert pattern.name, f"{route} has no name"
            yield pattern.name
