"""Who may watch which topic: the app that owns a kind of topic registers the check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from access.queries import Access

# Takes the viewer's access and what follows the colon, "" for a topic without one.
Check = Callable[["Access", str], bool]
# A page watches a handful; more is a script that wants the whole fleet at the price of one check each.
MOST_TOPICS = 64

_checks: dict[str, Check] = {}


def register(kind: str, check: Check) -> None:
    """Let people watch `kind` or `kind:<ident>` where `check(access, ident)` allows it."""
    _checks[kind] = check


def parse_topics(text: str) -> list[str]:
    """Split the `topics` parameter; repeated and empty names fall away."""
    return list(dict.fromkeys(name for name in text.split(",") if name))


def may_watch(access: Access, topic: str) -> bool:
    """Whether a person may watch a topic; a kind that nobody registered is refused."""
    kind, _, ident = topic.partition(":")
    check = _checks.get(kind)
    return check is not None and check(access, ident)
