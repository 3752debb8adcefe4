"""Task definitions: families, revisions, one revision, and what differs between two."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from aws.errors import AwsError
from clusters import definition_queries, reveal
from clusters.definition_view import split_image, view_definition
from clusters.diff import diff_definitions
from clusters.masking import mask
from clusters.models import TaskDefinition
from ecsconsole.errors import ConsoleError
from ecsconsole.http import ConsoleRequest, render_page
from ecsconsole.numbers import is_number


class ComparisonIncomplete(ConsoleError):
    """A comparison needs two revision numbers."""

    status = 400
    title = "Two revisions are needed"
    advice = "Choose both on the page of the family."


@require_GET
def task_definitions(request: ConsoleRequest) -> HttpResponse:
    """List the families of everything that the person may see."""
    text = request.GET.get("q", "").strip()
    page = definition_queries.find_families(request, text, request.GET.get("page"))
    context = {"page": page, "text": text}
    return render_page(request, "clusters/task_definitions.html", context, partial="task-definitions")


@require_GET
def family(request: ConsoleRequest, account_id: str, region: str, family: str) -> HttpResponse:
    """List the revisions of a family and who runs them."""
    revisions = definition_queries.family_revisions(request, account_id, region, family)
    page = Paginator(revisions, definition_queries.REVISIONS_PER_PAGE).get_page(request.GET.get("page"))
    uses = definition_queries.uses_of(request, page)
    rows = [{"definition": item, "use": uses[item.arn], "images": images_of(item)} for item in page]
    context = {"rows": rows, "page": page, "family": family, "account": page[0].account, "region": region}
    return render_page(request, "clusters/task_definition_family.html", context, partial="revisions")


def images_of(definition: TaskDefinition) -> list[tuple[str, str]]:
    """Return container names with the version that each runs."""
    items = definition.facts.get("containerDefinitions") or []
    return [(str(item.get("name", "")), split_image(str(item.get("image", ""))).version) for item in items]


@require_GET
def task_definition(
    request: ConsoleRequest, account_id: str, region: str, family: str, revision: int
) -> HttpResponse:
    """Show one revision: readable, or as JSON."""
    found = definition_queries.get_definition(request, account_id, region, family, revision)
    facts = mask(found.facts)
    context = {
        "definition": found,
        "view": view_definition(facts),
        "raw": facts,
        "is_raw": request.GET.get("view") == "json",
        "use": definition_queries.uses_of(request, [found])[found.arn],
        "previous": definition_queries.neighbour(found, request),
        "may_reveal": reveal.decide_reveal(request.access, found),
    }
    return render_page(request, "clusters/task_definition.html", context)


@require_POST
@never_cache
def reveal_variable(
    request: ConsoleRequest, account_id: str, region: str, family: str, revision: int
) -> HttpResponse:
    """Show the value of one variable of one container, read from ECS now and written down in the ledger."""
    found = definition_queries.get_definition(request, account_id, region, family, revision)
    container, name = request.POST.get("container", ""), request.POST.get("name", "")
    context: dict[str, Any] = {"definition": found, "container": container, "name": name}
    try:
        context["value"] = reveal.reveal_value(
            definition=found, container=container, name=name, request=request
        )
    except AwsError as error:
        context["error"] = error
    status = HTTPStatus.BAD_GATEWAY if "error" in context else HTTPStatus.OK
    return render_page(
        request, "clusters/task_definition_reveal.html", context, partial="revealed", status=status
    )


@require_GET
def task_definition_diff(request: ConsoleRequest, account_id: str, region: str, family: str) -> HttpResponse:
    """Show what differs between two revisions of a family."""
    numbers = [request.GET.get("from", ""), request.GET.get("to", "")]
    if not all(is_number(number) for number in numbers):
        raise ComparisonIncomplete("The address names no two revisions to compare.")
    old, new = (
        definition_queries.get_definition(request, account_id, region, family, int(number))
        for number in numbers
    )
    groups = diff_definitions(mask(old.facts), mask(new.facts))
    context = {
        "old": old,
        "new": new,
        "groups": groups,
        "changed_count": sum(group.changed_count for group in groups),
        "revisions": definition_queries.family_revisions(request, account_id, region, family)[:200],
    }
    return render_page(request, "clusters/task_definition_diff.html", context)
