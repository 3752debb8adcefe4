from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sandbox import clock as clock_module
from sandbox.clock import LONGEST_ADVANCE, Clock, WorldStuckError
from sandbox.ports import PlainSurroundings
from sandbox.scenarios.acme_catalog import PRODUCTION
from sandbox.server import SandboxServer
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
    assert differences(first.world.dump(), second.world.dump()) == []
    assert first.surroundings.log_lines == second.surroundings.log_lines


def test_the_size_of_the_steps_does_not_matter() -> None:
    first, second = Ecs(), Ecs()
    story(first, 100.0)
    story(second, 0.5)
    assert differences(first.world.dump(), second.world.dump()) == []


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


def test_callbacks_that_set_each_other_for_now_are_stopped_with_a_name() -> None:
    clock = Clock(START)

    def again() -> None:
        clock.after(0, again)

    again()
    with pytest.raises(WorldStuckError, match=r"time stands still at 2026-11-02 08:00.*again"):
        clock.advance_to(START + timedelta(seconds=1))


def test_callbacks_that_multiply_are_stopped_before_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "MOST_WAITING", 1_000)
    clock = Clock(START)

    def twice() -> None:
        clock.after(1, twice)
        clock.after(1, twice)

    twice()
    with pytest.raises(WorldStuckError, match="1000 callbacks wait"):
        clock.advance_to(START + timedelta(days=1))


def test_many_quiet_services_may_be_due_at_one_moment() -> None:
    clock, seen = Clock(START), list[int]()
    for number in range(20_000):
        clock.after(5, lambda number=number: seen.append(number))  # type: ignore[misc]
    clock.advance_to(START + timedelta(seconds=5))
    assert len(seen) == 20_000


def test_time_does_not_leap_over_years() -> None:
    with pytest.raises(ValueError, match="400 days"):
        Ecs().advance(LONGEST_ADVANCE.total_seconds() + 1)


@pytest.mark.parametrize("pace", [3.0, 7.0, 30.0])
def test_a_world_at_another_pace_does_not_look_again_and_again_at_one_moment(pace: float) -> None:
    ecs = Ecs()
    ecs.world.clock.pace = pace
    ecs.steady(3, deploymentConfiguration=BREAKER)
    ecs.update(taskDefinition=ecs.define("v2-crash"))
    ecs.advance(900)
    assert ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL"


def differences(one: object, other: object, path: str = "") -> list[str]:
    """Name where two dumps differ; left to itself, pytest would spend gigabytes on drawing the difference."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = [f"{path}/{key}" for key in one.keys() ^ other.keys()]
        for key in one.keys() & other.keys():
            found += differences(one[key], other[key], f"{path}/{key}")
        return found[:5]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for index, (a, b) in pairs for line in differences(a, b, f"{path}/{index}")][:5]
    return [] if one == other else [path]


def an_hour_of_acme(seed: int) -> dict[str, object]:
    """Load acme and let people deploy, stop and scale in it for an hour."""
    with SandboxServer("acme", manual=True, throttle=False, seed=seed, start=START) as server:
        client = server.client("ecs", account_id=PRODUCTION)
        prod = {"cluster": "prod-core"}
        for minute in range(60):
            server.world.advance(60)
            if minute == 10:
                client.update_service(**prod, service="cart-api", forceNewDeployment=True)
            if minute == 20:
                client.update_service(**prod, service="pricing-api", desiredCount=9)
            if minute == 30:
                task = client.list_tasks(**prod, serviceName="checkout-api")["taskArns"][0]
                client.stop_task(**prod, task=task, reason="a look at what happens")
        return server.world.dump()


def test_an_hour_of_acme_with_the_same_seed_and_calls_is_the_same_hour() -> None:
    assert differences(an_hour_of_acme(7), an_hour_of_acme(7)) == []
