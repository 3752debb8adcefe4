"""The fleet: every service that a person may see, problems first."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_GET

from clusters.fleet_filters import ORDERS, sort_of
from clusters.fleet_queries import Fleet, digest_of, read_fleet
from clusters.models import Environment
from ecsconsole.http import ConsoleRequest, render_page, wants_fragment


@require_GET
def fleet(request: ConsoleRequest) -> HttpResponse:
    """Show the fleet; the table alone, with an ETag, when a nudge or a filter asks for it."""
    shown = read_fleet(request.access, request.GET, timezone.now())
    is_fragment = wants_fragment(request)
    # Pages are never asked for by it, and it costs as much as reading the rows.
    etag = f'"fleet-{request.user.pk}-{digest_of(shown)}"' if is_fragment else ""
    if is_fragment and request.headers.get("If-None-Match") == etag:
        response: HttpResponse = HttpResponseNotModified()
        patch_vary_headers(response, ["HX-Request", "HX-Boosted"])
    else:
        context = {
            "fleet": shown,
            "known_sources": shown.sources,
            **scope_of(shown, request.GET.get("account", "")),
            "environments": Environment.choices,
            "is_sorted": bool(sort_of(request.GET)[0]),
            "order": request.GET.get("order") if request.GET.get("order") in ORDERS else ORDERS[0],
            "sort_target": "#fleet",
            "is_fragment": is_fragment,
        }
        response = render_page(request, "clusters/fleet.html", context, partial="fleet")
    if is_fragment:
        response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    return response


def scope_of(shown: Fleet, account_id: str) -> dict[str, Any]:
    """Return the choices of the scope menus."""
    accounts = {source.account_id: source for source in shown.sources}
    chosen = accounts.get(account_id)
    return {
        "accounts": sorted(accounts.values(), key=lambda source: source.account_name),
        "regions": sorted({source.region for source in shown.sources}),
        "account_label": chosen.account_name if chosen else account_id or "all accounts",
    }


@require_GET
def rail(request: ConsoleRequest) -> HttpResponse:
    """Show the rail again, with current counts and data ages, for the page named in `at`."""
    return render(request, "components/rail.html", {"at": request.GET.get("at", "")})
