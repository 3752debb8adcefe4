from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sandbox.clock import Clock
from sandbox.ports import PlainSurroundings
from sandbox.world import World
from tests.sandbox.ecs import BREAKER, START, Ecs


def story(ecs: Ecs, step: float) -> None:
    """Let a good deployment, a bad one, a stop and a scaling happen, moving time in steps."""

    def wait(seconds: float) -> None:
        for _ in range(int(seconds / step)):
            ecs.advance(step)

    ecs.serve(3, deploymentConfiguration=BREAKER)
    wait(200)
    ecs.update(taskDefinition=ecs.define("v2"))
    wait(200)
    ecs.update(taskDefinition=ecs.define("v3-flaky"))
    wait(100)
    ecs.update(desiredCount=5)
    wait(900)


def test_the_same_seed_and_calls_make_the_same_world() -> None:
    first, second = Ecs(seed=11, log_interval=20.0), Ecs(seed=11, log_interval=20.0)
    story(first, 20.0)
    story(second, 20.0)
    assert first.world.dump() == second.world.dump()
    assert first.surroundings.log_lines == second.surroundings.log_lines


def test_the_size_of_the_steps_does_not_matter() -> None:
    first, second = Ecs(), Ecs()
    story(first, 100.0)
    story(second, 0.5)
    assert first.world.dump() == second.world.dump()


def test_another_seed_makes_another_world() -> None:
    first, second = Ecs(seed=1), Ecs(seed=2)
    story(first, 100.0)
    story(second, 100.0)
    assert first.world.dump() != second.world.dump()


def test_time_stands_still_between_advances_and_never_goes_back() -> None:
    world = World(PlainSurroundings(), start=START)
    world.advance(90)
    world.advance_to(START)
    assert world.now == START + timedelta(seconds=90)


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        World(PlainSurroundings(), start=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_the_clock_runs_what_falls_due_in_order() -> None:
    clock, seen = Clock(START), list[str]()

    def early() -> None:
        seen.append("early")
        clock.after(1, lambda: seen.append("set by early"))

    clock.after(5, lambda: seen.append("late"))
    clock.after(1, early)
    clock.after(1, lambda: seen.append("same moment"))
    clock.after(60, lambda: seen.append("not yet"))
    clock.advance_to(START + timedelta(seconds=10))
    assert seen == ["early", "same moment", "set by early", "late"]
    assert len(clock) == 1
