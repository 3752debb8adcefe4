"""Server time of the fleet page against a view that returns as many ready bytes."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from ecsconsole.bench.world import BenchWorld
from ecsconsole.urls import urlpatterns as console_patterns

ROUNDS = 30
_body = b""


def ready_bytes(request: HttpRequest) -> HttpResponse:
    """Answer bytes that are there already: the floor for a page of that size behind the same middleware."""
    return HttpResponse(_body)


urlpatterns = [path("ready-bytes/", ready_bytes, name="ready-bytes"), *console_patterns]


def milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def measure_fleet_page(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Alternate the two views, so that whatever else the machine does meets both."""
    global _body
    from clusters.models import Service

    client = Client()
    client.force_login(
        User.objects.get(username="carol"), backend="django.contrib.auth.backends.ModelBackend"
    )
    with override_settings(ROOT_URLCONF="ecsconsole.bench.pages"):
        answer = client.get("/")
        _body = answer.content
        client.get("/ready-bytes/")
        pairs = [
            (milliseconds(lambda: client.get("/")), milliseconds(lambda: client.get("/ready-bytes/")))
            for _ in range(ROUNDS)
        ]
    fleet, floor = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "services": Service.objects.filter(gone_at=None).count(),
        "bytes": len(_body),
        "fleet_ms": round(fleet, 2),
        "ready_bytes_ms": round(floor, 2),
        "ratio": round(fleet / floor, 2),
    }
