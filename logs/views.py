"""The log pages of services and tasks, and the panel that other pages show."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_GET

from audit.actions import record
from aws.errors import AwsError
from clusters.actions import keep_hot
from clusters.models import Service
from clusters.queries import get_service, get_task
from clusters.views.service import frame
from ecsconsole.http import ConsoleRequest, render_page, wants_fragment
from logs import panels, queries
from logs.lens import Lens, parse_lens
from logs.subjects import Subject, subject_of_service, subject_of_task

RECENT_KEY = "recent_logs"


@require_GET
def logs(request: ConsoleRequest) -> HttpResponse:
    """Offer the services whose logs the person may read: the last looked at, then the worst first."""
    text = request.GET.get("q", "").strip()
    services = queries.services_with_logs(request.access, text)
    context = {
        "text": text,
        "page": queries.page_of(services, request.GET.get("page")),
        "recent": queries.recent_services(request.access, request.session.get(RECENT_KEY, [])),
    }
    return render_page(request, "logs/index.html", context, partial="log-services")


def remember(request: ConsoleRequest, service: Service) -> None:
    """Keep the service among the last looked at; the session is written only when the order changes."""
    recent = request.session.get(RECENT_KEY, [])
    if recent[:1] != [service.pk]:
        others = [pk for pk in recent if pk != service.pk]
        request.session[RECENT_KEY] = [service.pk, *others][: queries.RECENT]


def fragment_or(request: ConsoleRequest, template: str, partial: str = "") -> str:
    """Return the page's template, or the panel that all these pages share when a fragment is asked for."""
    return f"logs/panel.html{partial}" if wants_fragment(request) else template


class Shown:
    """One log page: its subject, its filter and its mode, found through visibility and permission."""

    def __init__(self, request: ConsoleRequest, subject: Subject, lens: Lens, view: panels.View) -> None:
        request.access.require("logs.view", subject.resource)
        self.subject = subject
        self.lens = lens
        self.view = view

    def context(self, now: datetime, *, is_read: bool) -> dict[str, Any]:
        """Return the panel; lines that AWS alone has are left to a second request that shows its progress."""
        context = panels.frame_of(self.subject, self.lens, self.view)
        if context["silence"] is None and (is_read or self.view.mode == "live"):
            reading = panels.reading_of(self.subject, self.lens, self.view, now)
            context |= panels.lines_context(self.subject, self.lens, reading)
        return context


def of_service(request: ConsoleRequest, service: Service) -> Shown:
    """Return a service's log or answer 403."""
    lens, view = parse_lens(request.GET), panels.view_of(request)
    start, end = view.times(timezone.now())
    return Shown(request, subject_of_service(service, lens, start, end), lens, view)


def of_task(request: ConsoleRequest, account_id: str, region: str, cluster: str, task_id: str) -> Shown:
    """Find a task's log or answer 404, 403."""
    task = get_task(request, account_id, region, cluster, task_id)
    view = panels.view_of(request, is_stopped_task=task.last_status == "STOPPED")
    return Shown(request, subject_of_task(task), parse_lens(request.GET), view)


@require_GET
def service_logs(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Show the log of a service: followed, or around a moment."""
    service = get_service(request, account_id, region, cluster, name)
    shown = of_service(request, service)
    keep_hot(service)
    remember(request, service)
    context = frame(request, service, "logs") | shown.context(timezone.now(), is_read=False)
    return render_page(request, fragment_or(request, "logs/service.html"), context)


@require_GET
def task_logs(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, task_id: str
) -> HttpResponse:
    """Show the log of a task: followed while it runs, its last lines once it stopped."""
    shown = of_task(request, account_id, region, cluster, task_id)
    context = {
        "is_embedded": wants_fragment(request),
        "task": shown.subject.task,
        "cluster": shown.subject.cluster,
    }
    context |= shown.context(timezone.now(), is_read=False)
    return render_page(request, fragment_or(request, "logs/task.html"), context)


def answer_lines(request: ConsoleRequest, shown: Shown) -> HttpResponse:
    """Answer the lines after the page's cursor, with the state of the tails; only the script asks."""
    if not wants_fragment(request):
        return HttpResponseRedirect(f"{shown.subject.url()}?{shown.lens.query()}")
    after = request.GET.get("after", "")
    reading = panels.reading_of(shown.subject, shown.lens, panels.View(None, 0), timezone.now(), after)
    context = panels.lines_context(shown.subject, shown.lens, reading) | {"subject": shown.subject}
    return render_page(request, "logs/lines.html", context)


def answer_history(
    request: ConsoleRequest, shown: Shown, template: str, context: dict[str, Any]
) -> HttpResponse:
    """Answer lines that AWS alone has; what AWS refuses is shown in their place."""
    try:
        context |= shown.context(timezone.now(), is_read=True)
    except AwsError as error:
        context |= panels.frame_of(shown.subject, shown.lens, shown.view) | {
            "error": error,
            "error_message": error.message.rstrip("."),
        }
    status = HTTPStatus.BAD_GATEWAY if "error" in context else HTTPStatus.OK
    return render_page(request, fragment_or(request, template, "#log-history"), context, status=status)


def answer_download(request: ConsoleRequest, shown: Shown) -> HttpResponse:
    """Answer the lines of the view as a text file, and record who took them."""
    subject = shown.subject
    reading = panels.reading_of(subject, shown.lens, shown.view, timezone.now())
    record(
        action="logs.download",
        actor=request.user,
        resource=subject.resource,
        target=subject.name,
        data={"groups": subject.groups, "lines": len(reading.lines), "filter": shown.lens.params()},
        request=request,
    )
    response = HttpResponse(panels.as_text(reading.lines), content_type="text/plain; charset=utf-8")
    stamp = timezone.now().strftime("%Y%m%dT%H%M%SZ")
    response["Content-Disposition"] = f'attachment; filename="{subject.file_name}-{stamp}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_GET
def service_log_lines(request: ConsoleRequest, **place: str) -> HttpResponse:
    """Answer the newest lines of a service."""
    return answer_lines(request, of_service(request, get_service(request, **place)))


@require_GET
def task_log_lines(request: ConsoleRequest, **place: str) -> HttpResponse:
    """Answer the newest lines of a task."""
    return answer_lines(request, of_task(request, **place))


@require_GET
def service_log_history(request: ConsoleRequest, **place: str) -> HttpResponse:
    """Answer a service's lines around a moment."""
    service = get_service(request, **place)
    shown = of_service(request, service)
    return answer_history(request, shown, "logs/service.html", frame(request, service, "logs"))


@require_GET
def task_log_history(request: ConsoleRequest, **place: str) -> HttpResponse:
    """Answer a task's lines around a moment, or its last ones."""
    shown = of_task(request, **place)
    context = {"task": shown.subject.task, "cluster": shown.subject.cluster}
    return answer_history(request, shown, "logs/task.html", context)


@require_GET
def service_log_download(request: ConsoleRequest, **place: str) -> HttpResponse:
    """Send a service's lines as a file."""
    return answer_download(request, of_service(request, get_service(request, **place)))


@require_GET
def task_log_download(request: ConsoleRequest, **place: str) -> HttpResponse:
    """Send a task's lines as a file."""
    return answer_download(request, of_task(request, **place))


def render_panel(
    request: ConsoleRequest, *, service: Service, started_by: str = "", since: datetime | None = None
) -> HttpResponse:
    """Render the live log of a service's tasks as a fragment for another page.

    `started_by` is the id of the deployment (ecs-svc/…) whose tasks count; older lines than `since` are left out.
    """
    since_ms = int(since.timestamp() * 1000) if since else 0
    lens = parse_lens({**request.GET.dict(), "started_by": started_by, "since": str(since_ms or "")})
    view = panels.View(None, 0)
    start, end = view.times(timezone.now())
    shown = Shown(request, subject_of_service(service, lens, start, end), lens, view)
    context = {"is_embedded": True, **shown.context(timezone.now(), is_read=False)}
    return render_page(request, "logs/panel.html", context)
