from __future__ import annotations

import pytest

from sandbox.faults import Call, Faults
from sandbox.ports import ApiError

LIST_TASKS = Call("ecs", "ListTasks", "111122223333", "us-east-1", "arn:aws:iam::111122223333:user/x")


class Time:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def faults(time: Time) -> Faults:
    return Faults(clock=time.clock, sleep=time.sleep)


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttle", "ThrottlingException", 400),
        ("error", "ServerException", 500),
        ("access-denied", "AccessDeniedException", 400),
        ("expired-credentials", "ExpiredTokenException", 400),
        ("outage", "ServiceUnavailable", 503),
    ],
)
def test_each_kind_answers_its_error(faults: Faults, kind: str, code: str, status: int) -> None:
    faults.add(kind)
    with pytest.raises(ApiError) as caught:
        faults.meet(LIST_TASKS)
    assert (caught.value.code, caught.value.status) == (code, status)


def test_code_message_and_status_may_be_chosen(faults: Faults) -> None:
    faults.add("error", code="LimitExceededException", message="too many", status=400)
    with pytest.raises(ApiError) as caught:
        faults.meet(LIST_TASKS)
    assert (caught.value.code, caught.value.message, caught.value.status) == (
        "LimitExceededException",
        "too many",
        400,
    )


@pytest.mark.parametrize(
    "selector",
    [
        {"service": "logs"},
        {"operation": "DescribeTasks"},
        {"account": "222233334444"},
        {"region": "eu-west-1"},
    ],
)
def test_other_calls_go_free(faults: Faults, selector: dict[str, str]) -> None:
    fault = faults.add("throttle", count=1, **selector)  # type: ignore[arg-type]
    faults.meet(LIST_TASKS)
    assert fault.remaining == 1


def test_a_count_is_used_up(faults: Faults) -> None:
    faults.add("throttle", count=2)
    for _ in range(2):
        with pytest.raises(ApiError):
            faults.meet(LIST_TASKS)
    faults.meet(LIST_TASKS)
    assert faults.active() == []


def test_a_duration_ends(faults: Faults, time: Time) -> None:
    faults.add("throttle", seconds=30)
    with pytest.raises(ApiError):
        faults.meet(LIST_TASKS)
    time.now += 30
    faults.meet(LIST_TASKS)
    assert faults.active() == []


def test_latency_waits_and_lets_the_call_through(faults: Faults, time: Time) -> None:
    faults.add("latency", milliseconds=250)
    outcome = faults.meet(LIST_TASKS)
    assert time.slept == [0.25]
    assert not outcome.drop_before


def test_resets_are_left_to_the_server(faults: Faults) -> None:
    faults.add("reset", count=1)
    faults.add("reset-after", count=1)
    outcome = faults.meet(LIST_TASKS)
    assert outcome.drop_before
    assert outcome.drop_after


def test_faults_are_removed_one_by_one_or_all_at_once(faults: Faults) -> None:
    first = faults.add("throttle")
    faults.add("error")
    faults.add("outage")
    assert faults.remove(first.id) == 1
    assert [fault.kind for fault in faults.active()] == ["error", "outage"]
    assert faults.remove() == 2
    faults.meet(LIST_TASKS)


def test_an_unknown_kind_is_refused(faults: Faults) -> None:
    with pytest.raises(ApiError, match="unknown kind"):
        faults.add("gremlins")
