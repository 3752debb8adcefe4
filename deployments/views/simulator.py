"""The page of the simulator: whether somebody may do something, then, and what decides it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from access.models import ApiToken, RoleBinding
from clusters.models import Service
from deployments.models import ApprovalPolicy
from deployments.simulator import Answer, Question, World, simulate
from deployments.simulator_form import (
    MEANT,
    SimulatorForm,
    is_meant,
    load_world,
    meant_world,
    question_of,
)
from ecsconsole.http import ConsoleRequest, render_page

PAGE = "deployments/simulator.html"


@require_GET
def simulator(request: ConsoleRequest) -> HttpResponse:
    """Answer a question; people who neither manage access nor audit ask about themselves."""
    asked = request.GET if "service" in request.GET else None
    wanted = request.GET.get("who", "")
    choices = who_choices(request)
    if asked is not None and wanted not in {value for value, _ in choices}:
        # Asking about somebody else shows what they may do.
        request.access.require("access.manage")
    services = request.access.visible(Service.objects.all())
    form = SimulatorForm(asked, who=choices, services=services)
    context: dict[str, Any] = {"form": form, "me": f"u-{request.user.pk}", "now": timezone.now()}
    if form.is_valid():
        context |= answered(request, form)
    status = 422 if form.is_bound and form.errors else 200
    return render_page(request, PAGE, context, partial="simulation", status=status)


def who_choices(request: ConsoleRequest) -> list[tuple[str, str]]:
    """Return those about whom this person may ask: themselves and their tokens, or everybody."""
    may_all = request.access.holds("access.manage") or request.access.holds("audit.view")
    people = User.objects.order_by("username") if may_all else [request.user]
    tokens = (
        ApiToken.objects.filter(revoked_at=None).select_related("user").order_by("user__username", "name")
    )
    if not may_all:
        tokens = tokens.filter(user=request.user)
    found = [(f"u-{person.pk}", person.get_username()) for person in people]
    return found + [(f"t-{token.pk}", f"token {token}") for token in tokens]


def answered(request: ConsoleRequest, form: SimulatorForm) -> dict[str, Any]:
    """Return the answers of the saved policy and of the one that is meant, with what decided them."""
    question, saved = question_of(form), load_world()
    world = meant_world(saved, form, question.person_id, request.GET)
    meant = is_meant(form, request.GET)
    answer, before = simulate(question, world), simulate(question, saved)
    return {
        "question": question,
        "service": form.cleaned_data["service"],
        "answer": answer,
        "before": before if meant else None,
        "deciding": deciding(answer, world),
        "held": held_by(question, saved, request.GET.getlist("drop")),
        "policies": policies_of(question, saved, request.GET),
        "may_manage": request.access.holds("access.manage"),
    }


def deciding(answer: Answer, world: World) -> list[dict[str, Any]]:
    """Return the bindings that decided, with their rows where they are saved."""
    rows = RoleBinding.objects.select_related("user", "group", "token__user").in_bulk(
        answer.decision.binding_ids
    )
    return [
        {"id": number, "row": rows.get(number), "is_meant": number == MEANT}
        for number in answer.decision.binding_ids
    ]


def held_by(question: Question, world: World, dropped: list[str]) -> list[dict[str, Any]]:
    """Return the saved bindings of the person, to be dropped for once."""
    asker = next(person for person in world.people if person.id == question.person_id)
    rows = RoleBinding.objects.select_related("user", "group", "token__user").in_bulk(
        [binding.id for binding in asker.bindings]
    )
    return [{"row": row, "is_dropped": str(row.pk) in dropped} for row in rows.values()]


def policies_of(question: Question, world: World, data: Any) -> list[dict[str, Any]]:
    """Return the policies of the place, each with the number of approvals that is meant."""
    here = [policy for policy in world.policies if policy.holds_at(question.place)]
    return [{"policy": policy, "number": number_of(policy, data)} for policy in here]


def number_of(policy: ApprovalPolicy, data: Any) -> str:
    return str(data.get(f"approvals-{policy.pk}", "") or policy.approvals)
