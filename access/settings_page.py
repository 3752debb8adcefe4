"""The index of settings: what this person may open."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from access.waiting import open_requests
from ecsconsole.http import ConsoleRequest, render_page


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of settings; `action` is what one must hold somewhere, and everywhere where `is_whole`."""

    title: str
    url_name: str
    icon: str
    text: str
    action: str = ""
    is_whole: bool = False

    @property
    def address(self) -> str:
        """Return its address, empty where this console has no such page."""
        try:
            return reverse(self.url_name)
        except NoReverseMatch:
            return ""


# Pages of higher packages are named, not imported.
ENTRIES = (
    Entry("Access", "bindings", "lock", "Which role somebody has where, and until when", "access.manage"),
    Entry("People", "people", "user", "Who signs in, their groups, shutting somebody out", "access.manage"),
    Entry(
        "Groups of the identity provider",
        "group-mappings",
        "approvals",
        "What a group gives at sign-in",
        "access.manage",
        is_whole=True,
    ),
    Entry("Tokens", "all-tokens", "bolt", "By which machines act for people", "access.manage", is_whole=True),
    Entry("Simulator", "simulator", "help", "May somebody deploy there, then: and what decides it"),
    Entry("Policies", "policies", "check", "How many people must agree to which change", ""),
    Entry("Freezes", "freezes", "cal", "When no change begins", ""),
    Entry(
        "Notifications",
        "channels",
        "comment",
        "Where the console tells people what happens",
        "settings.manage",
    ),
    Entry(
        "Accounts",
        "admin:clusters_account_changelist",
        "fleet",
        "AWS accounts that are watched",
        "account.manage",
        is_whole=True,
    ),
    Entry(
        "New people",
        "admin:auth_user_changelist",
        "plus",
        "Local accounts, names, passwords",
        "access.manage",
        is_whole=True,
    ),
    Entry("Your API tokens", "own-tokens", "bolt", "Tokens that act for you"),
    Entry("Your sign-in", "security", "key", "Second factors and sessions of yours"),
)


def entries_for(request: ConsoleRequest) -> list[Entry]:
    """Return the pages that this person may open and this console has."""
    access = request.access
    allowed = [
        entry
        for entry in ENTRIES
        if not entry.action or (access.can(entry.action) if entry.is_whole else access.holds(entry.action))
    ]
    return [entry for entry in allowed if entry.address]


@require_GET
def settings_index(request: ConsoleRequest) -> HttpResponse:
    """List the pages of settings."""
    entries = entries_for(request)
    sees_requests = any(entry.url_name == "bindings" for entry in entries)
    context = {"entries": entries, "waiting": open_requests(timezone.now()) if sees_requests else []}
    return render_page(request, "access/settings.html", context)
