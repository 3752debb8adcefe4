"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern

from clusters import urls_details

urlpatterns: list[URLPattern] = [*urls_details.urlpatterns]
