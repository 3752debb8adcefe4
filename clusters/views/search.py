"""The palette's results."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from clusters.search import search as find
from ecsconsole.http import ConsoleRequest, render_page, wants_fragment

LONGEST = 200


@require_GET
def search(request: ConsoleRequest) -> HttpResponse:
    """Show what matches, in the palette or as a page of its own."""
    typed = request.GET.get("q", "")[:LONGEST]
    context = {
        "sections": find(request.access, typed),
        "typed": typed,
        "in_palette": wants_fragment(request),
    }
    return render_page(request, "clusters/search.html", context, partial="search-results")
