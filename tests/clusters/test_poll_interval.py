"""When a region is read again."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from clusters import polling
from tests.clusters.polling_world import World, world

__all__ = ["world"]


def test_the_interval_counts_from_the_begin_of_a_read(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.POLL_HOT_SECONDS = 30.0
    moments = iter([100.0, 112.0])
    monkeypatch.setattr("clusters.polling.time", SimpleNamespace(monotonic=lambda: next(moments, 112.0)))
    world.poll()
    done = timezone.now()
    wait = (world.target.next_due_at - done).total_seconds()
    assert 17 < wait <= 18, "a read of 12 seconds leaves 18 of 30"
    assert polling.due_targets(done) == []
    early = world.target.next_due_at - timedelta(seconds=0.4)
    assert polling.due_targets(early) == [world.target.pk], "the next look would be 0.6 s late"


def test_a_region_that_takes_longer_than_the_interval_is_left_alone_for_a_moment(
    world: World, settings: Any
) -> None:
    settings.POLL_HOT_SECONDS = 0.0
    world.poll()
    assert polling.due_targets(timezone.now()) == []
