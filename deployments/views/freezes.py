"""The pages of freezes and windows: the calendar, the list, and the form that sets one up."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from deployments.calendar import current_freezes, freezes_in_words, month_of
from ecsconsole.http import ConsoleRequest, render_page

LIST = "deployments/freezes.html"


@require_GET
def freezes(request: ConsoleRequest) -> HttpResponse:
    """Show a month and what holds changes up, or lets them begin, in words."""
    now = timezone.now()
    year, month = chosen_month(request.GET.get("month", ""), now)
    found = current_freezes(request.access, now)
    context = {
        "month": month_of(request.access, year, month, now, freezes=found),
        "freeze_lines": freezes_in_words(request.access, now, freezes=found),
    }
    return render_page(request, LIST, context, partial="freezes")


def chosen_month(text: str, now: datetime) -> tuple[int, int]:
    """Return the month of an address; this one where it names none."""
    try:
        # Beyond these years a calendar has no use, and at their ends no neighbour.
        chosen = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        chosen = now.astimezone(UTC)
    if not 2000 <= chosen.year < 2200:
        chosen = now.astimezone(UTC)
    return chosen.year, chosen.month
