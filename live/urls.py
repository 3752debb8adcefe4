"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from live import views

urlpatterns: list[URLPattern] = [path("live/stream", views.stream_needs_asgi, name="live-stream")]
