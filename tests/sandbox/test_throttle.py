from __future__ import annotations

import pytest

from sandbox.ports import ApiError
from sandbox.throttle import LIMIT_OF, Throttle

ACCOUNT, REGION = "111122223333", "us-east-1"


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def granted(
    throttle: Throttle, operation: str, tries: int, account: str = ACCOUNT, region: str = REGION
) -> int:
    count = 0
    for _ in range(tries):
        try:
            throttle.take(account, region, operation)
        except ApiError:
            continue
        count += 1
    return count


@pytest.mark.parametrize(
    ("operation", "burst", "refill"),
    [
        ("DescribeClusters", 50, 20),
        ("ListServices", 100, 20),
        ("DescribeTasks", 100, 20),
        ("DescribeServiceDeployments", 50, 20),
        ("DescribeServiceRevisions", 50, 20),
        ("DescribeTaskDefinition", 50, 20),
        ("RegisterTaskDefinition", 20, 1),
        ("UpdateService", 50, 5),
        ("StopTask", 100, 40),
        ("ListServicesByNamespace", 10, 1),
        ("GetTaskProtection", 200, 80),
    ],
)
def test_burst_and_refill_are_the_published_ones(operation: str, burst: int, refill: int) -> None:
    clock = Time()
    throttle = Throttle(clock=clock)
    assert granted(throttle, operation, burst + 50) == burst
    clock.now += 1.0
    assert granted(throttle, operation, burst + 50) == refill
    clock.now += 3600
    assert granted(throttle, operation, burst + 50) == burst


def test_the_refusal_is_worded_as_ecs_words_it() -> None:
    throttle = Throttle(clock=Time())
    granted(throttle, "ListServicesByNamespace", 10)
    with pytest.raises(ApiError) as caught:
        throttle.take(ACCOUNT, REGION, "ListServicesByNamespace")
    assert (caught.value.code, caught.value.message) == ("ThrottlingException", "Rate exceeded")
    assert caught.value.status == 400


def test_operations_of_a_group_share_their_bucket() -> None:
    throttle = Throttle(clock=Time())
    assert granted(throttle, "DescribeServices", 60) == 60
    assert granted(throttle, "ListServices", 60) == 40


def test_groups_accounts_and_regions_are_apart() -> None:
    throttle = Throttle(clock=Time())
    assert granted(throttle, "ListTasks", 150) == 100
    assert granted(throttle, "ListServices", 150) == 100
    assert granted(throttle, "ListTasks", 150, account="222233334444") == 100
    assert granted(throttle, "ListTasks", 150, region="eu-west-1") == 100


def test_operations_without_a_published_limit_do_not_share() -> None:
    throttle = Throttle(clock=Time())
    assert "TagResource" not in LIMIT_OF
    assert granted(throttle, "TagResource", 80) == 50
    assert granted(throttle, "StopServiceDeployment", 80) == 50


def test_switched_off_it_grants_all() -> None:
    throttle = Throttle(enabled=False, clock=Time())
    assert granted(throttle, "UpdateService", 500) == 500


def test_every_limited_operation_exists() -> None:
    import botocore.session

    model = botocore.session.get_session().get_service_model("ecs")
    assert set(LIMIT_OF) <= set(model.operation_names)
