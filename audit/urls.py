"""Addresses of the ledger."""

from __future__ import annotations

from django.urls import path

from audit import views

urlpatterns = [
    path("", views.ledger, name="audit"),
    path("<int:seq>/", views.entry, name="audit-entry"),
    path("export.csv", views.export_csv, name="audit-export"),
]
