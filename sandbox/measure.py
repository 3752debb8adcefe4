"""Measure what a world costs: `python -m sandbox.measure` prints JSON."""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from typing import Any

import orjson

from sandbox.scenarios.fleet import ACCOUNT_ID
from sandbox.server import TICK_SECONDS, SandboxServer

TWO_HOURS = 7200.0
CLUSTERS = ("fleet-06", "fleet-07", "fleet-08", "fleet-09")
# So many services are deployed anew in each of the twelve parts that time passes in.
DEPLOYING = 40
PARTS = 12


def measure(
    scenario: str, *, seconds: float = TWO_HOURS, ticks: int = 200, deploying: int = DEPLOYING
) -> dict[str, Any]:
    """Load a fleet, deploy some of it, and return what loading, simulating and ticking cost."""
    began = time.perf_counter()
    server = SandboxServer(scenario, manual=True, throttle=False)
    loaded = time.perf_counter() - began
    with server:
        _deploy(server, CLUSTERS[0], deploying)
        ticked = [_timed(server, TICK_SECONDS) for _ in range(ticks)]
        simulated = 0.0
        for part in range(PARTS):
            simulated += _timed(server, seconds / PARTS)
            _deploy(server, CLUSTERS[part % len(CLUSTERS)], deploying)
        ordered = sorted(ticked)
        return {
            "scenario": scenario,
            "load_seconds": round(loaded, 2),
            "world_seconds": seconds,
            "simulate_seconds": round(simulated, 2),
            "tick_ms_median": round(statistics.median(ordered) * 1000, 3),
            "tick_ms_p99": round(ordered[int(len(ordered) * 0.99) - 1] * 1000, 3),
            "tick_ms_max": round(ordered[-1] * 1000, 3),
            "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def _deploy(server: SandboxServer, cluster: str, number: int) -> None:
    client = server.client("ecs", account_id=ACCOUNT_ID)
    for arn in client.list_services(cluster=cluster, maxResults=100)["serviceArns"][:number]:
        client.update_service(cluster=cluster, service=arn, forceNewDeployment=True)


def _timed(server: SandboxServer, seconds: float) -> float:
    began = time.process_time()
    server.world.advance(seconds)
    return time.process_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="sandbox.measure", description="Measure what a fleet's world costs."
    )
    parser.add_argument("scenario", nargs="?", default="fleet-1000", choices=("fleet-1000", "fleet-5000"))
    options = parser.parse_args()
    sys.stdout.buffer.write(orjson.dumps(measure(options.scenario), option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
