from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from audit import checkpoints, duties
from audit.keys import SigningKey
from audit.models import Checkpoint
from audit.verification import verify_ledger
from tests.audit.conftest import NOON, write
from tests.deployments.rig import patiently


def all_at_once(count: int, act: Callable[[], Any]) -> list[Any]:
    """Return what as many threads got that acted at the same time."""
    barrier, results = threading.Barrier(count), []

    def run() -> None:
        barrier.wait()
        try:
            results.append(patiently(act))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_workers_that_sign_at_once_make_one_checkpoint(key: SigningKey) -> None:
    write(3)
    made = all_at_once(6, lambda: checkpoints.seal_next(key, NOON))
    assert len(made) == 6
    assert sum(checkpoint is not None for checkpoint in made) == 1
    assert Checkpoint.objects.count() == 1
    assert verify_ledger().holds


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_claim_a_duty_at_once_one_has_it(key: SigningKey) -> None:
    claimed = all_at_once(6, lambda: duties.claim(duties.FOLDER, NOON))
    assert len(claimed) == 6
    assert sum(duty is not None for duty in claimed) == 1
