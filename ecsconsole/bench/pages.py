"""Server time of the fleet page against a view that returns as many ready bytes."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from django.contrib.auth.models import User
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory, override_settings
from django.urls import path

from ecsconsole.bench.figures import ROUNDS, ratios, spread
from ecsconsole.bench.running import session_cookie
from ecsconsole.bench.world import BenchWorld
from ecsconsole.stack import CannotStartError
from ecsconsole.urls import urlpatterns as console_patterns

PAIRS = 20
_body = b""


def ready_bytes(request: HttpRequest) -> HttpResponse:
    """Answer bytes that are there already: the floor for a page of that size behind the same middleware."""
    return HttpResponse(_body)


urlpatterns = [path("ready-bytes/", ready_bytes, name="ready-bytes"), *console_patterns]


class Server:
    """Django's own handler with all middleware, without a server and without the test client around it."""

    def __init__(self, cookie: str) -> None:
        self.handler = BaseHandler()
        self.handler.load_middleware()
        self.cookie = cookie

    def answer(self, address: str) -> tuple[bytes, float]:
        """Return the body of an answer and the milliseconds that it took."""
        request = RequestFactory().get(address, headers={"Host": "localhost", "Cookie": self.cookie})
        started = time.perf_counter()
        response: HttpResponseBase = self.handler.get_response(request)
        took = (time.perf_counter() - started) * 1000
        if response.status_code != 200 or not isinstance(response, HttpResponse):
            raise CannotStartError(f"{address} was answered {response.status_code}.")
        response.close()
        return response.content, took


def measure_fleet_page(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Alternate the two views, so that whatever else the machine does meets both."""
    from clusters.models import Service

    global _body
    cookie = session_cookie(User.objects.get(username="carol"))
    fleet: list[float] = []
    floor: list[float] = []
    with override_settings(ROOT_URLCONF="ecsconsole.bench.pages"):
        server = Server(cookie)
        for _ in range(3):
            _body, _ = server.answer("/")
            server.answer("/ready-bytes/")
        for _ in range(ROUNDS):
            pairs = [(server.answer("/")[1], server.answer("/ready-bytes/")[1]) for _ in range(PAIRS)]
            fleet.append(statistics.median(pair[0] for pair in pairs))
            floor.append(statistics.median(pair[1] for pair in pairs))
    return {
        "services": Service.objects.filter(gone_at=None).count(),
        "bytes": len(_body),
        "fleet_ms": spread(fleet),
        "ready_bytes_ms": spread(floor),
        "ratio": ratios(fleet, floor),
    }
