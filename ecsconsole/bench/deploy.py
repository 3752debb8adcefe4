"""A deploy from the click to UpdateService beside `ecs-deploy`, and what it costs to watch ten of them at once."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.utils import timezone

from ecsconsole.bench.figures import ratios, spread
from ecsconsole.bench.world import BenchWorld
from ecsconsole.children import stop_all
from ecsconsole.stack import CannotStartError

if TYPE_CHECKING:
    from clusters.models import Service
    from deployments.models import Change

PEER = Path(sys.executable).parent / "ecs"
ROUNDS = 5
AT_ONCE = 10
TICKS = 3
LONGEST_SECONDS = 120.0
UPDATE = "UpdateService"


@dataclass(frozen=True, slots=True)
class Sent:
    """How long until UpdateService was sent, and the calls until then, itself included."""

    seconds: float
    calls: list[str]


def measure_deploy(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Deploy on the running console and with the peer in turn; then, without pollers, count the console's calls."""
    if not PEER.exists():
        raise CannotStartError("ecs-deploy is not installed: run `make setup`.")
    if not world.stack.children:
        world.stack.start_console()
        world.stack.wait_until_ready(60)
    ask_nobody()
    services = quiet_services("fleet-09", 2 * ROUNDS + 1)
    token = make_token()
    console, peer = [], []
    for _ in range(ROUNDS):
        console.append(sent(world, lambda: click(world, next(services), token), is_console=True))
        peer.append(sent(world, lambda: run_peer(world, next(services)), is_console=False))
    stop_all(world.stack.children, grace=5)
    world.stack.children.clear()
    return {
        "click_to_update_service_s": {
            "console": spread([run.seconds for run in console], 3),
            "console_each": [round(run.seconds, 3) for run in console],
            "ecs_deploy": spread([run.seconds for run in peer], 3),
            "ratio": ratios([run.seconds for run in console], [run.seconds for run in peer]),
        },
        "calls_until_update_service": {
            **count_calls(world, next(services)),
            "ecs_deploy": counted(peer[-1].calls),
        },
        "watching_ten": watch_ten(world, quiet_services("fleet-08", AT_ONCE)),
    }


def ask_nobody() -> None:
    """Take the policies away in the measured console: how long people take to approve is not measured."""
    from deployments.models import ApprovalPolicy

    ApprovalPolicy.objects.all().delete()


def quiet_services(cluster: str, wanted: int) -> Iterator[Service]:
    """Yield services of a cluster that the poller has read, each once."""
    from clusters.models import Service

    read = Service.objects.filter(gone_at=None, status="steady", cluster__name=cluster)
    deadline = time.monotonic() + LONGEST_SECONDS
    while read.count() < wanted:
        if time.monotonic() > deadline:
            raise CannotStartError(f"Only {read.count()} services were read, {wanted} are needed.")
        time.sleep(0.5)
    yield from list(read.select_related("cluster__account").order_by("pk")[:wanted])


def make_token() -> str:
    from access.tokens import create_token

    alice = User.objects.get(username="alice")
    return create_token(owner=alice, name="bench", scope="operate", actor="bench")[1]


def image_for(service: Service) -> str:
    """Return an image that the service does not run."""
    return f"public.ecr.aws/docker/library/nginx:1.28.{service.pk}"


def click(world: BenchWorld, service: Service, token: str) -> None:
    """Send the request as a person's page or pipeline does, and return without waiting for its end."""
    wish = {
        "service": service.arn,
        "kind": "deploy",
        "images": {"app": image_for(service)},
        "reason": "bench",
        "confirm": service.name,
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    address = f"http://127.0.0.1:{world.stack.port}/api/v1/changes"
    request = urllib.request.Request(address, json.dumps(wish).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        answer.read()


def run_peer(world: BenchWorld, service: Service) -> None:
    """Deploy with `ecs-deploy`, which does not wait for the end either."""
    command = [str(PEER), "deploy", service.cluster.name, service.name, "-i", "app", image_for(service)]
    account, region = service.cluster.account.account_id, service.cluster.region
    environment = world.shell_of(account, region)
    result = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "--timeout", "-1", "--no-deregister"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise CannotStartError(f"ecs-deploy failed: {result.stdout} {result.stderr}")


def sent(world: BenchWorld, act: Callable[[], None], *, is_console: bool) -> Sent:
    """Act and find in the sandbox's own record when UpdateService came, and what the same caller asked before it."""
    world.control("POST", "calls/reset")
    began = time.time()
    act()
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        recent = world.control("GET", "calls")["recent"]
        records = [item for item in recent if ("ecsconsole" in item["principal_arn"]) == is_console]
        updates = [item for item in records if item["operation"] == UPDATE]
        if updates:
            calls = [f"{i['service']}:{i['operation']}" for i in records if i["at"] <= updates[0]["at"]]
            return Sent(updates[0]["at"] - began, calls)
        time.sleep(0.05)
    raise CannotStartError(f"UpdateService was not sent: {standing()}")


def standing() -> str:
    """Say where the last change stands, for a run that cannot be measured."""
    from deployments.models import Change

    change = Change.objects.order_by("-pk").first()
    return (
        f"{change} is {change.state}: {change.outcome} {change.progress}"
        if change
        else "nothing was asked for"
    )


def counted(calls: list[str]) -> dict[str, Any]:
    return {"total": len(calls), "operations": dict(Counter(calls))}


def count_calls(world: BenchWorld, service: Service) -> dict[str, Any]:
    """Return what the console asks of AWS for a plan with its checks, and from the request to UpdateService."""
    from deployments import dispatch

    world.control("POST", "calls/reset")
    change = ask(service, "deploy", {"containers": {"app": {"image": image_for(service)}}})
    asked = operations(world)
    world.control("POST", "calls/reset")
    dispatch.wake(change.pk, now=timezone.now())
    recent = world.control("GET", "calls")["recent"]
    names = [f"{item['service']}:{item['operation']}" for item in recent]
    return {
        "console_plan_and_request": {"total": sum(asked.values()), "operations": asked},
        "console_worker": counted(names[: names.index(f"ecs:{UPDATE}") + 1]),
    }


def operations(world: BenchWorld) -> dict[str, int]:
    found: dict[str, int] = world.control("GET", "calls")["operations"]
    return found


def ask(service: Service, kind: str, spec: dict[str, Any]) -> Change:
    """Ask for a change as somebody who saw its plan."""
    from access.queries import access_for
    from deployments import actions
    from deployments.plans import make_plan

    alice, now = User.objects.get(username="alice"), timezone.now()
    access = access_for(alice)
    plan = make_plan(service, kind, spec, access=access, now=now)
    return actions.request_change(
        service=service,
        kind=kind,
        spec=spec,
        actor=alice,
        access=access,
        reason="bench",
        confirm=service.name,
        plan_id=plan.id,
        now=now,
    )


def watch_ten(world: BenchWorld, services: Iterator[Service]) -> dict[str, Any]:
    """Restart ten services of a cluster and count the calls of each tick, together and each by itself."""
    from deployments import dispatch, watching
    from deployments.running import SOON

    changes = [ask(next(services), "restart", {}) for _ in range(AT_ONCE)]
    for change in changes:
        dispatch.wake(change.pk, now=timezone.now())

    def together() -> None:
        for group in watching.groups_of([change.pk for change in changes], timezone.now()):
            watching.watch(group, now=timezone.now())

    def apart() -> None:
        for change in changes:
            dispatch.wake(change.pk, now=timezone.now())

    def tick(look: Callable[[], None]) -> dict[str, int]:
        time.sleep(SOON + 0.5)
        world.control("POST", "calls/reset")
        look()
        return operations(world)

    tick(together)
    return {
        "deployments": AT_ONCE,
        "calls_of_each_tick": [tick(together) for _ in range(TICKS)],
        "calls_of_a_tick_each_by_itself": tick(apart),
    }
