"""Addresses of the ledger."""

from __future__ import annotations

from django.urls import path

from audit import views

urlpatterns = [
    path("", views.ledger, name="audit"),
    path("<int:seq>/", views.entry, name="audit-entry"),
    path("seal/", views.seal, name="audit-seal"),
    path("verify/", views.verify, name="audit-verify"),
    path("export.csv", views.export_csv, name="audit-export"),
    path("export.json", views.export_json, name="audit-export-json"),
    path("export.jsonl", views.export_signed, name="audit-export-signed"),
]
