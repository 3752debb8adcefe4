"""The whole console running: memory of its processes, and from a change in ECS to a nudge in a browser's socket."""

from __future__ import annotations

import argparse
import http.client
import statistics
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from ecsconsole.bench.world import BenchWorld

CHANGES = 8
SETTLE_SECONDS = 20.0


def session_cookie(username: str) -> str:
    """Sign a person in and return the cookie of their session."""
    user = User.objects.get(username=username)
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
    stack.start_console()
    stack.wait_until_ready(60)
    time.sleep(SETTLE_SECONDS)
    delays = [seconds * 1000 for seconds in time_changes(stack.port)]
    memory = {
        child.name: round(resident_megabytes(child.process.pid), 1)
        for child in stack.children
        if child.process
    }
    return {
        "change_to_socket": {
            "changes": len(delays),
            "mean_ms": round(statistics.mean(delays)),
            "max_ms": round(max(delays)),
            "floor_mean_ms": round(settings.POLL_HOT_SECONDS * 1000 / 2),
            "ratio": round(statistics.mean(delays) / (settings.POLL_HOT_SECONDS * 500), 2),
        },
        "resident_mb": {**memory, "total": round(sum(memory.values()), 1)},
    }


def time_changes(port: int) -> list[float]:
    """Change the desired count of a watched service again and again; return the seconds until its nudge."""
    from aws.operator import Operator
    from clusters.models import Service
    from clusters.queries import scope_of

    service = (
        Service.objects.select_related("cluster__account").filter(desired_count__gte=2).order_by("pk")[0]
    )
    operator = Operator(scope_of(service), source_identity="bench", change_id=0)
    cookie = session_cookie("carol")
    stream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    stream.request("GET", f"/live/stream?topics=service:{service.pk}", headers={"Cookie": cookie})
    answer = stream.getresponse()
    desired, delays = service.desired_count, []
    for number in range(CHANGES):
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        page.request("GET", service.get_absolute_url(), headers={"Cookie": cookie})
        page.getresponse().read()
        # Not in step with the poller, or every change would meet the same moment of its cycle.
        time.sleep(1.0 + 0.37 * number)
        wanted = desired + 1 + number % 2
        started = time.perf_counter()
        operator.update_service(cluster=service.cluster.name, service=service.name, desiredCount=wanted)
        while not answer.readline().startswith(f"event: service:{service.pk}".encode()):
            continue
        delays.append(time.perf_counter() - started)
    stream.close()
    return delays
