"""The composer of a deploy: four steps on the left; plan, checks and policy follow on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from access.resources import Resource
from access.step_up import require_recent_sign_in
from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import get_service
from deployments.actions import request_change
from deployments.asking import choices_for, read_asking
from deployments.composition import Composition, compose
from deployments.definitions import masked_definition
from deployments.errors import ChangeRefused, ConfirmationMissing, InvalidSpec
from deployments.image_reference import parse
from deployments.image_tags import TagList, list_tags
from deployments.models import Kind
from deployments.plans import Plan, make_plan
from deployments.prefill import DROPPED, prefilled
from deployments.queries import Approvers, active_change_of, rollout_in_flight
from deployments.remaining import what_is_left
from ecsconsole.errors import ConsoleError, NotFoundError
from ecsconsole.http import ConsoleRequest, render_page, wants_fragment

PAGE = "deployments/deploy.html"
# Rows to add variables in, offered beside those that are filled in.
BLANK_ROWS = 2
# What a change of a container's field redraws, in one answer: the first takes the swap, the others go out of band.
PLAN_PARTS = ("deploy-plan", "deploy-diff", "deploy-changes", "deploy-ready")


@require_http_methods(["GET", "POST"])
def deploy(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> HttpResponse:
    """Show the composer, follow it while it is filled in, and ask for the change when it is confirmed."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("service.deploy", service.access_resource)
    if not wants_fragment(request):
        require_recent_sign_in(request, service)
    definition = masked_definition(service, service.task_definition_arn)
    if request.method == "GET":
        data = prefilled(request, service, definition)
        dropped = data.getlist(DROPPED)
        return show(request, service, definition, composed(service, definition, data), dropped=dropped)
    composition = composed(service, definition, request.POST)
    if wants_fragment(request):
        return follow(request, service, composition)
    if request.POST.get("do") != "request" or composition.errors:
        return show(request, service, definition, composition, status=422 if composition.errors else 200)
    return ask(request, service, definition, composition)


def composed(service: Service, definition: dict[str, Any], data: QueryDict) -> Composition:
    """Read the whole form, with the terms on which it is asked for."""
    composition = compose(definition, data, service.facts)
    composition.asking = read_asking(data, service)
    composition.errors |= composition.asking.errors
    return composition


def ask(
    request: ConsoleRequest, service: Service, definition: dict[str, Any], composition: Composition
) -> HttpResponse:
    """Ask for the change; whatever stands in the way comes back as the same page with what was typed."""
    try:
        change = request_change(
            service=service,
            kind=Kind.DEPLOY,
            spec=composition.spec,
            actor=request.user,
            access=request.access,
            reason=composition.reason,
            ticket=composition.ticket,
            plan_id=request.POST.get("plan_id", ""),
            confirm=composition.confirm,
            terms=composition.asking.terms,
            request=request,
        )
    except (InvalidSpec, ConfirmationMissing) as error:
        composition.take_errors(error.errors)
        return show(request, service, definition, composition, status=422)
    except ChangeRefused as error:
        return show(request, service, definition, composition, status=error.status, obstacle=error)
    return HttpResponseRedirect(change.get_absolute_url(), status=303)


def show(
    request: ConsoleRequest,
    service: Service,
    definition: dict[str, Any],
    composition: Composition,
    *,
    status: int = 200,
    obstacle: ConsoleError | None = None,
    dropped: Sequence[str] = (),
) -> HttpResponse:
    """Render the whole composer."""
    shown = request.GET.get("tags", "")
    context = context_of(request, service, composition) | {
        "obstacle": obstacle,
        "dropped": dropped,
        "blanks": [{}] * BLANK_ROWS,
        "tags": {shown: tags_of(request, service, definition, shown)} if shown else {},
    }
    return render_page(request, PAGE, context, status=status)


def follow(request: ConsoleRequest, service: Service, composition: Composition) -> HttpResponse:
    """Redraw what follows from the fields, leaving the fields themselves alone."""
    if request.GET.get("part") == "ready":
        return render_page(
            request, PAGE, ready_context(request, service, composition), partial="deploy-ready"
        )
    context = context_of(request, service, composition) | {"is_follow": True}
    parts = [render_to_string(f"{PAGE}#{name}", context, request=request) for name in PLAN_PARTS]
    return HttpResponse("".join(parts))


def context_of(request: ConsoleRequest, service: Service, composition: Composition) -> dict[str, Any]:
    """Return everything that the right side and the steps show."""
    plan, problem = plan_of(request, service, composition)
    asking, now = composition.asking, timezone.now()
    return {
        "service": service,
        "cluster": service.cluster,
        "composition": composition,
        "asking": asking,
        "choices": choices_for(service, Kind.DEPLOY, composition.spec, request.access, asking, now),
        "plan": plan,
        "problem": problem,
        "revision": service.task_definition_arn.rsplit(":", 1)[-1],
        "active": active_change_of(service),
        "in_flight": rollout_in_flight(service),
        "approvers": approvers_of(request, service) if plan and plan.needs_approval else [],
        "left": what_is_left(service, composition, plan_state(plan, problem)),
        "plan_state": plan_state(plan, problem),
        "is_typed": service.environment == "production",
    }


def plan_state(plan: Plan | None, problem: str) -> str:
    """Return one word for what the plan says: none, error, refused or ok."""
    if plan is None:
        return "error" if problem else "none"
    return "refused" if plan.refused else "ok"


def ready_context(request: ConsoleRequest, service: Service, composition: Composition) -> dict[str, Any]:
    """Return what the final button needs, without planning again: the plan's word comes back from the form."""
    state = request.POST.get("plan_state", "none")
    return {
        "service": service,
        "composition": composition,
        "left": what_is_left(service, composition, state),
        "needs_approval": request.POST.get("needs_approval") == "yes",
        "is_typed": service.environment == "production",
    }


def plan_of(request: ConsoleRequest, service: Service, composition: Composition) -> tuple[Plan | None, str]:
    """Return the plan of what is typed so far, or why there is none."""
    spec = composition.spec
    if not spec:
        return None, ""
    try:
        plan = make_plan(
            service,
            Kind.DEPLOY,
            spec,
            access=request.access,
            now=timezone.now(),
            terms=composition.asking.terms,
        )
    except InvalidSpec as error:
        composition.take_errors(error.errors)
        return None, error.sentence
    except (AwsError, ChangeRefused) as error:
        return None, str(error)
    return plan, ""


def approvers_of(request: ConsoleRequest, service: Service) -> list[str]:
    resource: Resource = service.access_resource
    return Approvers(timezone.now()).at(resource, without=request.user.pk)


@require_GET
def image_tags(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """List the tags of one container's repository; asked as a page, lead to the composer that shows them."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("service.deploy", service.access_resource)
    container = request.GET.get("container", "")
    if not wants_fragment(request):
        query = QueryDict(mutable=True)
        query["tags"] = container
        address = redirect("deploy", account_id, region, cluster, name)
        address["Location"] += f"?{query.urlencode()}"
        return address
    definition = masked_definition(service, service.task_definition_arn)
    context = {
        "service": service,
        "name": container,
        "list": tags_of(request, service, definition, container),
        "text": request.GET.get("q", ""),
        "picked": request.GET.get(f"pick.{container}", ""),
    }
    return HttpResponse(render_to_string("deployments/_image_tags.html", context, request=request))


def tags_of(request: ConsoleRequest, service: Service, definition: dict[str, Any], container: str) -> TagList:
    """Return the tags of a container's repository; an unknown container is not found."""
    for item in definition.get("containerDefinitions") or []:
        if item.get("name") == container:
            return list_tags(service, parse(str(item.get("image", ""))), request.GET.get("q", "").strip())
    raise NotFoundError(f"The task definition has no container {container}.")
