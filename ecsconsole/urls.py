"""All addresses of the console."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from ecsconsole import health

urlpatterns = [
    path("", include("clusters.urls")),
    path("", include("deployments.urls")),
    path("", include("logs.urls")),
    path("", include("live.urls")),
    path("", include("notifications.urls")),
    path("", include("access.urls")),
    path("audit/reports/", include("deployments.reports.urls")),
    path("audit/", include("audit.urls")),
    path("api/v1/", include("api.urls")),
    # The admin has no door of its own.
    path("admin/login/", RedirectView.as_view(pattern_name="sign-in", query_string=True)),
    path("admin/", admin.site.urls),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("statusz", health.statusz, name="statusz"),
]
handler404 = "ecsconsole.errors.not_found"
handler500 = "ecsconsole.errors.server_error"
