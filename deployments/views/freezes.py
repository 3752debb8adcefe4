"""The pages of freezes and windows: the calendar, the list, and the form that sets one up."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.step_up import require_recent_sign_in
from deployments.actions import end_freeze, save_freeze
from deployments.calendar import default_zone, freezes_in_words, month_of
from deployments.errors import InvalidSpec, WrongState
from deployments.freeze_forms import FreezeForm
from deployments.freeze_preview import preview_of
from deployments.models import Freeze
from deployments.seeing import readable
from deployments.window_words import in_words
from deployments.windows import InvalidRuleError, zone_of
from ecsconsole.http import ConsoleRequest, render_page

PERMISSION = "freeze.manage"
LIST, FORM = "deployments/freezes.html", "deployments/freeze_form.html"


@require_GET
def freezes(request: ConsoleRequest) -> HttpResponse:
    """Show a month and what holds changes up, or lets them begin, in words."""
    now = timezone.now()
    zone, problem = chosen_zone(request.GET.get("zone", ""))
    year, month = chosen_month(request.GET.get("month", ""), now.astimezone(zone))
    context = {
        "month": month_of(request.access, year, month, now, zone=zone),
        "zone_problem": problem,
        "zones": sorted(available_timezones()),
        "freeze_lines": freezes_in_words(request.access, now),
        "can_add": request.access.holds(PERMISSION),
    }
    return render_page(request, LIST, context, partial="freezes")


def chosen_zone(text: str) -> tuple[ZoneInfo, str]:
    """Return the zone of an address, the console's own where it names none, and what is wrong with it."""
    if not text.strip():
        return default_zone(), ""
    try:
        return zone_of(text.strip()), ""
    except InvalidRuleError as error:
        return default_zone(), str(error)


def chosen_month(text: str, now: datetime) -> tuple[int, int]:
    """Return the month of an address; that of the clock where it names none."""
    try:
        # Beyond these years a calendar has no use, and at their ends no neighbour.
        chosen = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        chosen = now
    if not 2000 <= chosen.year < 2200:
        chosen = now
    return chosen.year, chosen.month


@require_http_methods(["GET", "POST"])
def add_freeze(request: ConsoleRequest) -> HttpResponse:
    """Set a freeze or a window up."""
    require_somewhere(request)
    if request.method == "GET":
        return show_form(request, FreezeForm(), None)
    return save(request, None)


@require_http_methods(["GET", "POST"])
def edit_freeze(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a freeze into its next version."""
    found = get_freeze(request, pk)
    request.access.require(PERMISSION, found.access_resource)
    if request.method == "GET":
        if found.ended_at:
            raise WrongState(f"{found.name} was taken away. Set up a new one.")
        return show_form(request, FreezeForm(freeze=found), found)
    return save(request, found)


@require_POST
def end(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take a freeze away; the reason goes into the ledger."""
    found = get_freeze(request, pk)
    request.access.require(PERMISSION, found.access_resource)
    require_recent_sign_in(request)
    reason = request.POST.get("reason", "").strip()
    if not reason:
        messages.error(request, f"{found.name} still stands: say why it ends, for the ledger.")
        return HttpResponseRedirect(reverse("freeze-edit", args=[pk]), status=303)
    end_freeze(freeze=found, actor=request.user, access=request.access, reason=reason, request=request)
    messages.info(request, f"{found.name} is taken away. What waited for it is looked at again.")
    return HttpResponseRedirect(reverse("freezes"), status=303)


@require_POST
def preview(request: ConsoleRequest) -> HttpResponse:
    """Show the next windows of what is typed; nothing is saved."""
    require_somewhere(request)
    context = preview_context(FreezeForm(request.POST))
    return render_page(request, "deployments/freeze_preview.html", context, partial="freeze-preview")


def save(request: ConsoleRequest, found: Freeze | None) -> HttpResponse:
    """Save what was typed, or only show its next windows."""
    form = FreezeForm(request.POST, found)
    if request.POST.get("do") == "preview":
        return show_form(request, form, found)
    require_recent_sign_in(request)
    if not form.is_valid():
        return show_form(request, form, found, status=422)
    try:
        if found and form.cleaned_data["version"] != found.version:
            raise WrongState(f"{found.name} is at version {found.version} by now.")
        saved = save_freeze(
            actor=request.user, access=request.access, values=form.values, freeze=found, request=request
        )
    except InvalidSpec as error:
        form.take_errors(error.errors)
        return show_form(request, form, found, status=422)
    except WrongState as error:
        return show_form(request, form, found, status=409, moved=error.sentence)
    messages.info(request, f"{saved.name} stands. What waits there is looked at again.")
    return HttpResponseRedirect(reverse("freezes"), status=303)


def show_form(
    request: ConsoleRequest, form: FreezeForm, found: Freeze | None, *, status: int = 200, moved: str = ""
) -> HttpResponse:
    # As it is now, not as it was typed.
    stored = Freeze.objects.filter(pk=found.pk).first() if found else None
    context = {
        "form": form,
        "freeze": stored,
        "moved": moved,
        "zones": sorted(available_timezones()),
        "version": form["version"].value() or "",
        **preview_context(form),
    }
    return render_page(request, FORM, context, status=status)


def preview_context(form: FreezeForm) -> dict[str, object]:
    """Return the next windows of a form, and the errors in the way of them."""
    now = timezone.now()
    if not form.is_bound:
        form = FreezeForm(form.initial) if form.initial else form
    schedule = form.schedule if form.is_bound else None
    return {
        "preview": preview_of(schedule, now) if schedule else [],
        "when": in_words(schedule, now) if schedule else "",
        "schedule": schedule,
    }


def require_somewhere(request: ConsoleRequest) -> None:
    """Ask for the right to manage freezes at any place; which one is asked for when it is named."""
    if not request.access.holds(PERMISSION):
        request.access.require(PERMISSION)


def get_freeze(request: ConsoleRequest, pk: int) -> Freeze:
    """Return a freeze that this person may read, or 404."""
    found = readable(request.access, Freeze.objects.filter(pk=pk), timezone.now())
    if not found:
        raise Http404
    return found[0]
