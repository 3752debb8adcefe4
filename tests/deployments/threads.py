"""Threads that act at the same moment, each on a database connection of its own."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from ecsconsole.errors import ConsoleError

SOAK = bool(os.environ.get("SOAK"))


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what each got, in order: an answer of the console's, also a refusal. Anything else is raised here."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(index: int) -> None:
        try:
            barrier.wait(timeout=30)
            results[index] = acts[index]()
        except BaseException as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ConsoleError):
            raise result
    return results


def dice(default: int) -> random.Random:
    """Return chance that can be repeated: a fixed seed, under SOAK a new one each time; a failing test shows it."""
    seed = int(os.environ.get("SOAK_SEED") or (random.SystemRandom().randrange(10**9) if SOAK else default))
    sys.stdout.write(f"SOAK_SEED={seed}\n")
    return random.Random(seed)
