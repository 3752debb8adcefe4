"""Restart, scale, roll back, stop a task: a plan, what it asks for, and the button; and which buttons there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from access.step_up import require_recent_sign_in
from aws.errors import AwsError
from clusters.models import Environment, Service
from clusters.queries import get_service, get_task
from deployments.actions import request_change
from deployments.asking import Asking, choices_for, read_asking
from deployments.buttons import buttons_of_service, buttons_of_task
from deployments.errors import ChangeRefused, ConfirmationMissing, InvalidSpec
from deployments.freezes import is_way_back
from deployments.models import Kind
from deployments.models.changes import BESIDE
from deployments.pauses import pause_of
from deployments.plans import Plan, make_plan
from deployments.queries import (
    Approvers,
    active_change_of,
    active_stop_of,
    rollback_candidates,
    rollout_in_flight,
)
from deployments.queueing import gives_way
from deployments.remaining import confirmation_left, left_sentence
from deployments.scaling import autoscaling_of, scale_facts
from deployments.scaling_form import ScaleForm
from deployments.verbs import verb_for
from ecsconsole.errors import ConsoleError
from ecsconsole.http import ConsoleRequest, render_page, wants_fragment
from ecsconsole.numbers import is_number

PAGE = "deployments/act.html"
PARTS = frozenset({"act-ready", "act-plan"})
# What is left to do while there is nothing to plan.
MISSING = {
    Kind.ROLLBACK: "choose what to go back to",
    Kind.CONTINUE: "wait for a deployment to pause",
    Kind.RUN_TASK: "fix what is marked red",
}


@dataclass(frozen=True, slots=True)
class Act:
    """What one of these pages is about."""

    service: Service
    kind: Kind
    spec: Mapping[str, Any] | None
    heading: str
    verb: str
    icon: str
    extra: Mapping[str, Any]


@require_http_methods(["GET", "POST"])
def restart(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> HttpResponse:
    """Replace all tasks by new ones of the same task definition."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("service.restart", service.access_resource)
    verb = f"Restart {service.name}"
    return act(request, Act(service, Kind.RESTART, {}, verb, verb, "restart", {}))


@require_http_methods(["GET", "POST"])
def scale(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> HttpResponse:
    """Set the desired count."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("service.scale", service.access_resource)
    form = ScaleForm(fields_of(request), service)
    verb = (
        f"Scale to {form.typed}"
        if form.spec and form.is_count_new
        else "Set the bounds"
        if form.spec
        else "Scale"
    )
    found, problem = autoscaling_of(service)
    extra = {
        "form": form,
        "typed": form.typed or str(service.desired_count),
        "facts": scale_facts(service),
        "is_scale": True,
        "autoscaling": found,
        "autoscaling_problem": problem,
        "errors": form.errors,
    }
    spec = None if request.method == "GET" and not form.is_new else form.spec
    return act(request, Act(service, Kind.SCALE, spec, f"Scale {service.name}", verb, "scale", extra))


@require_http_methods(["GET", "POST"])
def rollback(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> HttpResponse:
    """Go back to what worked: stop a rollout in flight, or return to an earlier success."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("service.rollback", service.access_resource)
    in_flight, candidates = rollout_in_flight(service), rollback_candidates(service)
    chosen = fields_of(request).get("to", "") or ("flight" if in_flight else "")
    if not chosen and candidates:
        chosen = str(candidates[0].pk)
    extra = {"candidates": candidates, "in_flight": in_flight, "chosen": chosen, "is_rollback": True}
    target = next((item for item in candidates if str(item.pk) == chosen), None)
    spec: dict[str, Any] | None = None
    verb = "Roll back"
    if chosen == "flight":
        spec, verb = {"in_flight": True}, "Stop the rollout and roll back"
    elif is_number(chosen):
        # Whether it may be gone back to is for the plan to say, also for one that is not offered.
        spec = {"service_deployment_id": int(chosen)}
        if (images := fields_of(request).get("images", "")) in ("pinned", "tags"):
            spec["pin"] = images == "pinned"
            extra["images"] = images
        verb = f"Roll back to :{target.task_definition_arn.rsplit(':', 1)[-1]}" if target else "Roll back"
    return act(request, Act(service, Kind.ROLLBACK, spec, f"Roll back {service.name}", verb, "back", extra))


@require_http_methods(["GET", "POST"])
def stop_task(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, task_id: str
) -> HttpResponse:
    """Stop one task; its service starts another in its place."""
    task = get_task(request, account_id, region, cluster, task_id)
    request.access.require("task.stop", task.access_resource)
    if task.service is None:
        raise ChangeRefused(
            f"Task {task_id} belongs to no service. Nothing was changed.",
            advice="The console stops tasks of services only: what started this one must stop it.",
        )
    verb = f"Stop task {task.task_id[:8]}"
    extra = {"task": task, "is_stop": True}
    return act(request, Act(task.service, Kind.STOP_TASK, {"task_id": task.task_id}, verb, verb, "x", extra))


def fields_of(request: ConsoleRequest) -> Mapping[str, str]:
    return request.POST if request.method == "POST" else request.GET


def act(request: ConsoleRequest, what: Act) -> HttpResponse:
    """Show the plan of an act, or ask for it; whatever stands in the way comes back on the same page."""
    # A rollback is the safe way out: nothing but the session's own limits stands before it.
    if not is_way_back(what.kind, what.spec or {}) and not wants_fragment(request):
        require_recent_sign_in(request, what.service)
    if request.method == "GET" or what.spec is None:
        return show(request, what, status=200 if request.method == "GET" else 422)
    if wants_fragment(request):
        return show(request, what)
    asking = asking_of(request, what.service)
    if asking.errors:
        # An hour that cannot be meant is not now.
        return show(request, what, status=422)
    try:
        change = request_change(
            service=what.service,
            kind=what.kind,
            spec=what.spec,
            actor=request.user,
            access=request.access,
            reason=request.POST.get("reason", "").strip(),
            ticket=request.POST.get("ticket", "").strip(),
            # In development a click on the service page is enough: no plan was shown before it.
            plan_id=request.POST.get("plan_id", ""),
            confirm=request.POST.get("confirm", "").strip(),
            terms=asking.terms,
            request=request,
        )
    except (InvalidSpec, ConfirmationMissing) as error:
        return show(request, what, status=422, errors=error.errors)
    except ChangeRefused as error:
        return show(request, what, status=error.status, obstacle=error)
    except AwsError as error:
        return show(request, what, status=502, problem=str(error))
    return HttpResponseRedirect(change.get_absolute_url(), status=303)


def asking_of(request: ConsoleRequest, service: Service) -> Asking:
    return read_asking(request.POST, service)


def plan_of(request: ConsoleRequest, what: Act) -> tuple[Plan | None, str]:
    """Return the plan, or the sentence that says why there is none."""
    if what.spec is None:
        return None, ""
    try:
        plan = make_plan(
            what.service,
            what.kind,
            what.spec,
            access=request.access,
            now=timezone.now(),
            terms=asking_of(request, what.service).terms,
        )
    except (InvalidSpec, ChangeRefused) as error:
        return None, error.sentence
    except AwsError as error:
        return None, str(error)
    return plan, ""


def show(
    request: ConsoleRequest,
    what: Act,
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    obstacle: ConsoleError | None = None,
    problem: str = "",
) -> HttpResponse:
    """Render the page of an act, or the part of it that follows from its fields."""
    plan, why = plan_of(request, what)
    service, data = what.service, request.POST
    reason, confirm = data.get("reason", "").strip(), data.get("confirm", "").strip()
    active = active_change_of(service) if what.kind not in BESIDE else None
    asking = asking_of(request, service)
    asking.errors |= errors or {}
    now = timezone.now()
    context = {
        **what.extra,
        "act": what,
        "service": service,
        "cluster": service.cluster,
        "plan": plan,
        "problem": problem or why,
        "errors": dict(what.extra.get("errors", {})) | dict(errors or {}),
        "obstacle": obstacle,
        "active": active,
        "is_superseding": active is not None and gives_way(active, verb_for(what.kind)),
        "is_typed": service.environment == Environment.PRODUCTION,
        "reason": reason,
        "ticket": data.get("ticket", "").strip(),
        "confirm": confirm,
        "asking": asking,
        "choices": choices_for(service, what.kind, what.spec or {}, request.access, asking, now),
        "left": left_to_act(what, plan, reason, confirm),
        "approvers": approvers_of(request, service) if plan and plan.needs_approval else [],
    }
    part = request.GET.get("part", "")
    return render_page(request, PAGE, context, partial=part if part in PARTS else "", status=status)


def left_to_act(what: Act, plan: Plan | None, reason: str, confirm: str) -> str:
    """Say what is left before the button can work."""
    left = []
    if what.spec is None:
        left.append(MISSING.get(what.kind, "change the count"))
    elif plan is None:
        left.append("resolve what stops the plan")
    elif plan.refused:
        left.append("resolve the refused check")
    return left_sentence(left + confirmation_left(what.service, reason, confirm))


def approvers_of(request: ConsoleRequest, service: Service) -> list[str]:
    return Approvers(timezone.now()).at(service.access_resource, without=request.user.pk)


@require_GET
def service_actions(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Show the buttons of a service page, each with the reason where it is off, and the active change."""
    service = get_service(request, account_id, region, cluster, name)
    active, in_flight = active_change_of(service), rollout_in_flight(service)
    context = {
        "service": service,
        "cluster": service.cluster,
        "active": active,
        "buttons": buttons_of_service(service, request.access, active, in_flight, pause_of(service)),
    }
    return render_page(request, "deployments/actions.html", context, partial="buttons")


@require_GET
def task_actions(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, task_id: str
) -> HttpResponse:
    """Show the buttons of a task page."""
    task = get_task(request, account_id, region, cluster, task_id)
    active = active_stop_of(task)
    context = {
        "task": task,
        "service": task.service,
        "cluster": task.cluster,
        "active": active,
        "buttons": buttons_of_task(task, request.access, active),
    }
    return render_page(request, "deployments/actions.html", context, partial="buttons")
