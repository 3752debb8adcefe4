"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from clusters import urls_details
from clusters.views import cluster, fleet, search

urlpatterns: list[URLPattern] = [
    path("", fleet.fleet, name="fleet"),
    path("rail/", fleet.rail, name="rail"),
    path("search/", search.search, name="search"),
    path("clusters/<str:account_id>/<str:region>/<str:name>/", cluster.cluster, name="cluster"),
    *urls_details.urlpatterns,
]
