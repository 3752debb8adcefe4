"""Showing the value of an environment variable: read from ECS when somebody asks, shown to them, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q
from django.http import Http404, HttpRequest

from access.decisions import Decision
from access.queries import Access
from access.resources import Resource
from access.step_up import require_recent_sign_in
from audit.actions import record
from aws import ecs
from aws.errors import AwsError
from clusters.models import Service, TaskDefinition
from clusters.queries import scope_in
from ecsconsole.http import ConsoleRequest

PERMISSION = "env.reveal"


def places_of(definition: TaskDefinition) -> list[Resource]:
    """Return every place whose secrets a revision may hold: the services that run its family or have run it.

    A family that no service runs belongs to its account and region.
    """
    family = definition.arn.rpartition(":")[0] + ":"
    runs = Q(task_definition_arn__startswith=family)
    ran = Q(service_deployments__task_definition_arn=definition.arn)
    services = Service.objects.filter(runs | ran, gone_at=None, cluster__account=definition.account)
    found = {service.access_resource for service in services.select_related("cluster__account").distinct()}
    return sorted(found, key=str) or [definition.access_resource]


def decide_reveal(access: Access, definition: TaskDefinition) -> Decision:
    """Decide whether the page offers to reveal: the first refusal of any place, else the right."""
    decisions = [access.can(PERMISSION, place) for place in places_of(definition)]
    return next((decision for decision in decisions if not decision), decisions[0])


def require_reveal(request: ConsoleRequest, places: Iterable[Resource]) -> None:
    """Raise unless the person may reveal in every place and has proved lately who they are."""
    for place in places:
        request.access.require(PERMISSION, place)
        require_recent_sign_in(request, place)


def reveal_value(*, definition: TaskDefinition, container: str, name: str, request: ConsoleRequest) -> str:
    """Return the value of one variable, after it is written down that this person saw it.

    The entry names the variable and never its value. When it cannot be written, the value is not shown. Raises
    PermissionMissing, SignInTooOld, AwsError, and Http404 for a variable that the revision does not have.
    IAM: ecs:DescribeTaskDefinition.
    """
    places = places_of(definition)
    require_reveal(request, places)
    place = places[0] if len(places) == 1 else definition.access_resource
    try:
        value = read_value(definition, container, name)
    except AwsError as error:
        note(definition, container, name, place, request, outcome="failed", reason=str(error))
        raise
    note(definition, container, name, place, request)
    return value


def read_value(definition: TaskDefinition, container: str, name: str) -> str:
    """Read one variable from ECS."""
    facts = ecs.describe_task_definition(scope_in(definition.account, definition.region), definition.arn)
    for item in facts.get("containerDefinitions", []):
        if item.get("name") == container:
            for variable in item.get("environment", []):
                if variable.get("name") == name:
                    return str(variable.get("value", ""))
    raise Http404(name)


def note(
    definition: TaskDefinition,
    container: str,
    name: str,
    place: Resource,
    request: HttpRequest,
    *,
    outcome: str = "ok",
    reason: str = "",
) -> None:
    """Put what was revealed into the ledger."""
    record(
        action="environment.revealed",
        actor=request.user,
        resource=place,
        target=f"{definition.family}:{definition.revision}",
        outcome=outcome,
        reason=reason,
        data={"container": container, "names": [name], "task_definition": definition.arn},
        request=request,
    )
