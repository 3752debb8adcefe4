"""The pages of approval policies: the list, the form, the versions."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.step_up import require_recent_sign_in
from deployments.actions import retire_policy, save_policy
from deployments.actions.governing import check_policy
from deployments.errors import InvalidSpec, WrongState
from deployments.models import ApprovalPolicy
from deployments.policy_forms import PolicyForm
from deployments.policy_view import Short, Trial, policy_lines, versions_of
from deployments.seeing import readable
from ecsconsole.http import ConsoleRequest, render_page

PERMISSION = "policy.manage"
LIST, FORM, ONE = (f"deployments/{name}.html" for name in ("policies", "policy_form", "policy"))


@require_GET
def policies(request: ConsoleRequest) -> HttpResponse:
    """List the policies in force, and flag those that nobody could satisfy."""
    context = {
        "lines": policy_lines(request.access, timezone.now()),
        "can_add": request.access.holds(PERMISSION),
    }
    return render_page(request, LIST, context, partial="policies")


@require_GET
def policy(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show the versions of a policy, each with what it changed."""
    found = get_policy(request, pk)
    versions = versions_of(found)
    newest = versions[0].policy
    can_manage = request.access.can(PERMISSION, newest.access_resource)
    context = {"policy": newest, "versions": versions, "can_manage": can_manage and not newest.is_retired}
    return render_page(request, ONE, context)


@require_http_methods(["GET", "POST"])
def add_policy(request: ConsoleRequest) -> HttpResponse:
    """Set a policy up."""
    if not request.access.holds(PERMISSION):
        request.access.require(PERMISSION)
    if request.method == "GET":
        return show_form(request, PolicyForm(), None)
    return save(request, None)


@require_http_methods(["GET", "POST"])
def edit_policy(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Write the next version of a policy."""
    found = get_policy(request, pk)
    request.access.require(PERMISSION, found.access_resource)
    if request.method == "GET":
        newest = newest_of(found)
        if newest.is_retired:
            raise WrongState(f"{newest.name} was retired. Set up a new one.")
        return show_form(request, PolicyForm(policy=newest), newest)
    return save(request, found)


@require_POST
def retire(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take a policy out of force; the reason goes into the ledger."""
    found = get_policy(request, pk)
    request.access.require(PERMISSION, found.access_resource)
    require_recent_sign_in(request, found.access_resource)
    reason = request.POST.get("reason", "").strip()
    if not reason:
        messages.error(request, f"{found.name} is not retired: say why, for the ledger.")
        return HttpResponseRedirect(reverse("policy", args=[pk]), status=303)
    retire_policy(policy=found, actor=request.user, access=request.access, reason=reason, request=request)
    messages.info(request, f"{found.name} is retired. What waits is looked at again.")
    return HttpResponseRedirect(reverse("policies"), status=303)


def save(request: ConsoleRequest, found: ApprovalPolicy | None) -> HttpResponse:
    """Save what was typed; one that nobody could satisfy only when that was seen."""
    require_recent_sign_in(request)
    form = PolicyForm(request.POST, found)
    if not form.is_valid():
        return show_form(request, form, found, status=422)
    try:
        short = shortage_of(request, form, found)
        if short and request.POST.get("all_the_same") != "yes":
            return show_form(request, form, found, status=422, short=short)
        saved = save_policy(
            actor=request.user, access=request.access, values=form.cleaned_data, policy=found, request=request
        )
    except InvalidSpec as error:
        form.take_errors(error.errors)
        return show_form(request, form, found, status=422)
    except WrongState as error:
        return show_form(request, form, found, status=409, moved=error.sentence)
    messages.info(request, f"{saved} is in force. Approvals under an older version are void.")
    return HttpResponseRedirect(reverse("policy", args=[saved.pk]), status=303)


def shortage_of(request: ConsoleRequest, form: PolicyForm, found: ApprovalPolicy | None) -> Short | None:
    """Return what a policy would lack as it was typed; raises InvalidSpec before that."""
    name = {"name": found.name} if found else {}
    typed = ApprovalPolicy(**{**form.cleaned_data, **name})
    check_policy(typed)
    return Trial(request.access, timezone.now()).short(typed)


def show_form(
    request: ConsoleRequest,
    form: PolicyForm,
    found: ApprovalPolicy | None,
    *,
    status: int = 200,
    short: Short | None = None,
    moved: str = "",
) -> HttpResponse:
    newest = newest_of(found) if found and moved else None
    context = {"form": form, "policy": found, "short": short, "moved": moved, "newest": newest}
    return render_page(request, FORM, context, status=status)


def get_policy(request: ConsoleRequest, pk: int) -> ApprovalPolicy:
    """Return a version of a policy that this person may read, or 404."""
    rows = ApprovalPolicy.objects.filter(pk=pk).select_related("created_by")
    found = readable(request.access, rows, timezone.now())
    if not found:
        raise Http404
    return found[0]


def newest_of(policy: ApprovalPolicy) -> ApprovalPolicy:
    return ApprovalPolicy.objects.filter(name=policy.name).order_by("-version")[0]
