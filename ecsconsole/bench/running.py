"""The whole console running: memory of its processes, and from a change in ECS to a nudge in a browser's socket."""

from __future__ import annotations

import argparse
import http.client
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from ecsconsole.bench.world import BenchWorld
from ecsconsole.stack import CannotStartError

if TYPE_CHECKING:
    from clusters.models import Service

CHANGES = 24
# No divisor of the poll interval, so that the changes meet every moment of its cycle.
APART_SECONDS = 0.55
SETTLE_SECONDS = 12.0
LONGEST_SECONDS = 30.0


def session_cookie(user: User) -> str:
    """Sign a person in and return the cookie of their session."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["started_at"] = session["seen_at"] = timezone.now().isoformat()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def resident_megabytes(pid: int) -> float:
    """Return a process's resident memory from the kernel; 0 where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure_running_console(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Start web, workers and beat on the measured world."""
    stack = world.stack
    started = time.perf_counter()
    stack.start_console()
    stack.wait_until_ready(60)
    ready = time.perf_counter() - started
    time.sleep(SETTLE_SECONDS)
    delays, call = time_changes(world)
    memory = {
        child.name: round(resident_megabytes(child.process.pid), 1)
        for child in stack.children
        if child.process
    }
    floor = settings.POLL_HOT_SECONDS / 2 + call
    return {
        "start_to_ready_s": round(ready, 1),
        "change_to_socket": {
            "changes": len(delays),
            "mean_ms": round(statistics.mean(delays) * 1000),
            "range_ms": [round(min(delays) * 1000), round(max(delays) * 1000)],
            "half_interval_and_call_ms": round(floor * 1000),
            "ratio": round(statistics.mean(delays) / floor, 2),
        },
        "resident_mb": {**memory, "total": round(sum(memory.values()), 1)},
    }


class Listener:
    """Reads one live stream and notes when a service's change was in the socket."""

    def __init__(self, port: int, cookie: str, wanted: dict[int, int]) -> None:
        self.wanted = wanted
        self.arrived: dict[int, float] = {}
        self.all_arrived = threading.Event()
        topics = ",".join(f"service:{pk}" for pk in wanted)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.request("GET", f"/live/stream?topics={topics}", headers={"Cookie": cookie})
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise CannotStartError(f"The live stream was answered {self.answer.status}.")
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while line := self.answer.readline():
            at = time.perf_counter()
            kind, _, pk = line.strip().removeprefix(b"event: ").partition(b":")
            if kind == b"service":
                self.note(int(pk), at)

    def note(self, pk: int, at: float) -> None:
        """Take a nudge for a change's own only when the change is what is stored now."""
        from clusters.models import Service

        if pk not in self.arrived and Service.objects.get(pk=pk).desired_count == self.wanted[pk]:
            self.arrived[pk] = at
            if len(self.arrived) == len(self.wanted):
                self.all_arrived.set()


def time_changes(world: BenchWorld) -> tuple[list[float], float]:
    """Change the desired counts of watched services; return the delays to the socket and the mean time of a call."""
    cookie = session_cookie(User.objects.get(username="carol"))
    services = watched_services()
    wanted = {service.pk: service.desired_count + 1 for service in services}
    listener = Listener(world.stack.port, cookie, wanted)
    open_pages(world.stack.port, cookie, services)
    time.sleep(settings.POLL_HOT_SECONDS)
    sent, call = change_each(services, wanted)
    if not listener.all_arrived.wait(LONGEST_SECONDS):
        missing = len(wanted) - len(listener.arrived)
        raise CannotStartError(f"{missing} of {len(wanted)} changes did not reach the browser's socket.")
    return [listener.arrived[pk] - at for pk, at in sent.items()], call


def watched_services() -> list[Service]:
    """Return quiet services of several clusters."""
    from clusters.models import Service

    quiet = Service.objects.filter(gone_at=None, status="steady", desired_count__gte=2)
    found = list(quiet.select_related("cluster__account").order_by("?")[:CHANGES])
    if len(found) < CHANGES:
        raise CannotStartError(f"Only {len(found)} services are quiet, {CHANGES} are needed.")
    return found


def open_pages(port: int, cookie: str, services: list[Service]) -> None:
    """Open the page of each service, as people do who watch it."""
    page = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for service in services:
        page.request("GET", service.get_absolute_url(), headers={"Cookie": cookie})
        answer = page.getresponse()
        answer.read()
        if answer.status != 200:
            raise CannotStartError(f"The page of {service} was answered {answer.status}.")
    page.close()


def change_each(services: list[Service], wanted: dict[int, int]) -> tuple[dict[int, float], float]:
    """Change one service after the other; return when ECS had taken each, and how long a call takes."""
    from aws.operator import Operator
    from clusters.queries import scope_of

    sent, calls = {}, []
    for service in services:
        operator = Operator(scope_of(service), source_identity="bench", change_id=0)
        asked = time.perf_counter()
        operator.update_service(
            cluster=service.cluster.name, service=service.name, desiredCount=wanted[service.pk]
        )
        sent[service.pk] = time.perf_counter()
        calls.append(sent[service.pk] - asked)
        time.sleep(APART_SECONDS)
    return sent, statistics.median(calls)
