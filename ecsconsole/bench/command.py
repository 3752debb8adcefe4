"""The command `bench`: sets up a large world of its own, measures, prints JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ecsconsole.bench.world import BenchWorld
from ecsconsole.stack import CannotStartError

# Name, module and function; modules are imported once Django is set up.
MEASUREMENTS = [
    ("refresh", "ecsconsole.bench.refresh", "measure_refresh"),
    ("fleet_page", "ecsconsole.bench.pages", "measure_fleet_page"),
    ("fan_out", "ecsconsole.bench.fan_out", "measure_fan_out"),
    ("running_console", "ecsconsole.bench.running", "measure_running_console"),
    ("deploy", "ecsconsole.bench.deploy", "measure_deploy"),
]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ecsconsole bench", description="Measure the console; prints JSON.")
    parser.add_argument("--scenario", default="fleet-1000", help="world to measure on (fleet-1000)")
    parser.add_argument("--viewers", type=int, default=500, help="open streams for the fan-out (500)")
    parser.add_argument("--only", choices=[name for name, _, _ in MEASUREMENTS], help="measure one thing")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; what cannot be measured fails the run."""
    options = parse(arguments)
    results: dict[str, Any] = {
        "machine": {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "scenario": options.scenario,
        }
    }
    with tempfile.TemporaryDirectory(prefix="ecsconsole-bench-") as folder:
        try:
            with BenchWorld(Path(folder), options.scenario) as world:
                for name, module, function in MEASUREMENTS:
                    if options.only in (None, name):
                        sys.stderr.write(f"measuring {name} …\n")
                        measure: Callable[..., Any] = getattr(import_module(module), function)
                        results[name] = measure(world, options)
        except CannotStartError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(json.dumps(results, indent=2) + "\n")
    return 0
