from __future__ import annotations

import pytest

from aws.budget import Budget
from aws.errors import AwsThrottled
from aws.limits import Limit, limit_of


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def budget(clock: Clock, **options: float) -> Budget:
    return Budget("", clock=clock, sleep=clock.sleep, **options)


def test_the_burst_is_granted_at_once_and_then_the_refill_paces() -> None:
    clock = Clock()
    tokens = budget(clock)
    for _ in range(100):
        tokens.take("1", "us-east-1", "ecs:DescribeServices")
    assert clock.slept == []
    tokens.take("1", "us-east-1", "ecs:DescribeServices")
    assert clock.slept == [pytest.approx(1 / 20)]


def test_only_a_share_of_the_account_is_used() -> None:
    clock = Clock()
    tokens = budget(clock, share=0.5)
    for _ in range(51):
        tokens.take("1", "us-east-1", "ecs:ListServices")
    assert clock.slept == [pytest.approx(1 / 10)]


def test_actions_of_one_group_share_a_bucket_and_others_have_their_own() -> None:
    clock = Clock()
    tokens = budget(clock)
    for _ in range(50):
        tokens.take("1", "us-east-1", "ecs:ListServices")
        tokens.take("1", "us-east-1", "ecs:DescribeServices")
    tokens.take("1", "us-east-1", "ecs:DescribeTasks")
    tokens.take("1", "eu-west-1", "ecs:DescribeServices")
    tokens.take("2", "us-east-1", "ecs:DescribeServices")
    assert clock.slept == []
    tokens.take("1", "us-east-1", "ecs:ListServices")
    assert len(clock.slept) == 1


def test_a_call_that_would_wait_too_long_is_refused_and_named() -> None:
    clock = Clock()
    tokens = budget(clock, longest_wait=0.5)
    for _ in range(20):
        tokens.take("1", "us-east-1", "ecs:RegisterTaskDefinition")
    with pytest.raises(AwsThrottled) as refused:
        tokens.take("1", "us-east-1", "ecs:RegisterTaskDefinition")
    assert refused.value.action == "ecs:RegisterTaskDefinition"
    assert refused.value.code == "OwnBudget"


def test_throttling_by_aws_empties_the_bucket() -> None:
    clock = Clock()
    tokens = budget(clock)
    tokens.drain("1", "us-east-1", "ecs:DescribeServices")
    tokens.take("1", "us-east-1", "ecs:DescribeServices")
    assert clock.slept == [pytest.approx(1 / 20)]


def test_processes_share_the_bucket_in_redis(redis_url: str) -> None:
    clock = Clock()
    first, second = (Budget(redis_url, clock=clock, sleep=clock.sleep, longest_wait=0.0) for _ in range(2))
    # One token, and the next one only after a second of the server's own clock.
    for tokens in (first, second):
        tokens._ask("shared", "us-east-1", Limit("test", 1, 0.5), -1.0)
    assert first._ask("shared", "us-east-1", Limit("test", 1, 0.5), 1.0) > 1.0
    assert second._ask("shared", "us-east-1", Limit("test", 1, 0.5), 1.0) > 1.0
    assert second._ask("other", "us-east-1", Limit("test", 1, 0.5), 1.0) == 0.0
    assert first._ask("other", "us-east-1", Limit("test", 1, 0.5), 1.0) > 1.0


def test_without_redis_the_process_counts_for_itself() -> None:
    clock = Clock()
    tokens = Budget("redis://127.0.0.1:1/0", clock=clock, sleep=clock.sleep)
    for _ in range(50):
        tokens.take("1", "us-east-1", "ecs:ListClusters")
    assert clock.slept == []
    tokens.take("1", "us-east-1", "ecs:ListClusters")
    assert len(clock.slept) == 1


def test_an_unpublished_action_has_a_bucket_of_its_own() -> None:
    assert limit_of("ecs:StopServiceDeployment") != limit_of("ecs:TagResource")
