"""Addresses of the reports for auditors."""

from __future__ import annotations

from django.urls import path

from deployments.reports import views

urlpatterns = [
    path("<slug:name>/", views.report, name="report"),
    path("<slug:name>.json", views.report_json, name="report-json"),
    path("<slug:name>.csv", views.report_csv, name="report-csv"),
]
