"""Version 1: services, tasks, deployments, plans and changes, over the same queries and actions as the pages."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from ninja import NinjaAPI, Query, Schema, Status
from ninja.params import functions

from api import errors, queries
from api.asking import ask, plan_for
from api.auth import BearerToken
from api.paging import page_of
from api.schemas import (
    Because,
    ChangeFilters,
    ChangeIn,
    ChangeOut,
    ChangePage,
    DeploymentFilters,
    DeploymentPage,
    Error,
    PlanOut,
    ServiceFilters,
    ServiceOut,
    ServicePage,
    TaskFilters,
    TaskPage,
    Wish,
)
from api.showing import show_change, show_deployments, show_plan, show_service, show_task
from deployments.actions import cancel_change, request_rollback_of
from deployments.errors import ApprovalRefused
from deployments.models import Change
from ecsconsole.http import ConsoleRequest

DESCRIPTION = (
    "Everything goes through the same permissions, plans and ledger as the pages. Errors have one shape: "
    "`{error: {code, title, message, advice, permission?, fields?}}`."
)
api = NinjaAPI(
    title="ecsconsole",
    version="1",
    description=DESCRIPTION,
    auth=BearerToken(),
    docs_url=None,
    openapi_url=None,
)
errors.register(api)
READ_ERRORS = dict.fromkeys((400, 401, 404, 422, 429), Error)
WRITE_ERRORS = dict.fromkeys((400, 401, 403, 404, 409, 422, 429, 502), Error)
Answer = dict[str, Any]
BY_NAME, NEWEST = ("name", False), ("created_at", True)
WAIT_WORDS = "Up to this many seconds the answer waits for another state. Behind a server without ASGI it comes at once."


def asked(request: ConsoleRequest, filters: Schema) -> dict[str, Any]:
    """Return the filters of an address; a misspelt one must not silently find everything."""
    unknown = sorted(set(request.GET) - set(type(filters).model_fields))
    if unknown:
        raise errors.InvalidRequest(dict.fromkeys(unknown, "There is no such filter."))
    return filters.dict()


@api.get("/services", response={200: ServicePage, **READ_ERRORS}, url_name="api-services", tags=["Services"])
def list_services(request: ConsoleRequest, filters: Query[ServiceFilters]) -> Answer:
    """List the services that match the filters, by name."""
    rows = queries.list_services(request.access, asked(request, filters), timezone.now())
    return page_of(rows, BY_NAME, filters, lambda found: [show_service(request, item) for item in found])


@api.get(
    "/services/{path:arn}",
    response={200: ServiceOut, **READ_ERRORS},
    url_name="api-service",
    tags=["Services"],
)
def get_service(request: ConsoleRequest, arn: str) -> Answer:
    """Return one service by its ARN."""
    return show_service(request, queries.get_service(request.access, arn, timezone.now()))


@api.get("/tasks", response={200: TaskPage, **READ_ERRORS}, url_name="api-tasks", tags=["Services"])
def list_tasks(request: ConsoleRequest, filters: Query[TaskFilters]) -> Answer:
    """List tasks, the newest first; those that have stopped stay, with their reasons."""
    rows = queries.list_tasks(request.access, asked(request, filters))
    return page_of(rows, NEWEST, filters, lambda found: [show_task(request, item) for item in found])


@api.get(
    "/deployments",
    response={200: DeploymentPage, **READ_ERRORS},
    url_name="api-deployments",
    tags=["Deployments"],
)
def list_deployments(request: ConsoleRequest, filters: Query[DeploymentFilters]) -> Answer:
    """List service deployments, the newest first, whoever began them; ECS's statuses verbatim."""
    rows = queries.list_deployments(request.access, asked(request, filters))
    return page_of(rows, NEWEST, filters, show_deployments)


@api.post("/plans", response={200: PlanOut, **WRITE_ERRORS}, url_name="api-plans", tags=["Changes"])
def make_plan(request: ConsoleRequest, body: Wish) -> Answer:
    """Plan a change and write nothing: the calls to AWS, the difference, the checks, the AWS CLI equivalent."""
    service = queries.service_to_change(request.access, body.service)
    return show_plan(service, plan_for(request, service, body))


@api.get("/changes", response={200: ChangePage, **READ_ERRORS}, url_name="api-changes", tags=["Changes"])
def list_changes(request: ConsoleRequest, filters: Query[ChangeFilters]) -> Answer:
    """List changes, the newest first."""
    rows = queries.list_changes(request.access, asked(request, filters))

    def show(found: list[Change]) -> list[Answer]:
        return [show_change(request, item, is_brief=True) for item in found]

    return page_of(rows, NEWEST, filters, show)


@api.post(
    "/changes",
    response={200: ChangeOut, 201: ChangeOut, **WRITE_ERRORS},
    url_name="api-changes",
    tags=["Changes"],
)
def create_change(
    request: ConsoleRequest,
    body: ChangeIn,
    key: str = functions.Header(
        "", alias="Idempotency-Key", description="A repeated request with it makes one change."
    ),
) -> Status[Answer]:
    """Ask for a change: 201 when it is new, 200 with the same one when the key comes again with the same body."""
    service = queries.service_to_change(request.access, body.service)
    change, is_new = ask(request, service, body, key)
    return Status(201 if is_new else 200, show_change(request, change))


@api.get(
    "/changes/{int:change_id}",
    response={200: ChangeOut, **READ_ERRORS},
    url_name="api-change",
    tags=["Changes"],
)
def get_change(
    request: ConsoleRequest,
    change_id: int,
    wait: int = functions.Query(0, ge=0, le=60, description=WAIT_WORDS),
    after: int | None = functions.Query(
        None, description="`version` that you have: a newer one is answered at once."
    ),
) -> Answer:
    """Return one change; with `wait` as soon as its state is another."""
    # The waiting is over when Django has the request: see api.waiting.
    return show_change(request, queries.get_change(request.access, change_id))


@api.post(
    "/changes/{int:change_id}/cancel",
    response={200: ChangeOut, **WRITE_ERRORS},
    url_name="api-cancel",
    tags=["Changes"],
)
def cancel(request: ConsoleRequest, change_id: int, body: Because | None = None) -> Answer:
    """Withdraw a change that has not begun, or set aside one that needs attention."""
    found = queries.get_change(request.access, change_id)
    # The requester may always withdraw; a token of theirs only if its scope lets it change anything.
    request.access.require("change.cancel", found.access_resource)
    cancel_change(
        change=found,
        actor=request.user,
        access=request.access,
        reason=body.reason.strip() if body else "",
        request=request,
    )
    return show_change(request, queries.get_change(request.access, change_id))


@api.post(
    "/changes/{int:change_id}/rollback",
    response={200: ChangeOut, **WRITE_ERRORS},
    url_name="api-rollback",
    tags=["Changes"],
)
def roll_back(request: ConsoleRequest, change_id: int, body: Because | None = None) -> Answer:
    """Roll back a change while it runs; one that has ended is rolled back by a change of kind rollback."""
    found = queries.get_change(request.access, change_id)
    request_rollback_of(
        change=found,
        actor=request.user,
        access=request.access,
        reason=body.reason.strip() if body else "",
        request=request,
    )
    return show_change(request, queries.get_change(request.access, change_id))


@api.post(
    "/changes/{int:change_id}/approve", response={**WRITE_ERRORS}, url_name="api-approve", tags=["Changes"]
)
def approve(request: ConsoleRequest, change_id: int) -> Answer:
    """Refuse, always: an approval is a person's word, and a token is none."""
    found = queries.get_change(request.access, change_id)
    raise ApprovalRefused(
        "A token cannot approve: an approval is the word of a second person.",
        advice=f"A release manager approves {found.title} on its page: {found.get_absolute_url()}",
    )
