from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clusters.schedule import Candidate, pick

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
QUIET = timedelta(seconds=30)
HOT = timedelta(seconds=3)


def service(pk: int, cluster: int = 1, age: float | None = 5, *, hot: bool = False) -> Candidate:
    described = None if age is None else NOW - timedelta(seconds=age)
    return Candidate(pk, cluster, f"arn:{pk}", f"s-{pk}", described, hot)


def picked(*services: Candidate) -> dict[int, list[int]]:
    return {cluster: [s.pk for s in found] for cluster, found in pick(services, NOW, QUIET, HOT).items()}


def test_nothing_hot_and_nothing_due_is_no_call() -> None:
    assert picked(service(1), service(2, age=29)) == {}


def test_the_due_and_the_never_read_are_picked() -> None:
    assert picked(service(1, age=30), *[service(pk, 2) for pk in range(2, 6)], service(9, 3, age=None)) == {
        1: [1],
        3: [9],
    }


def test_a_call_is_filled_with_the_stalest_quiet_services_of_its_cluster() -> None:
    quiet = [service(pk, age=pk) for pk in range(1, 21)]
    other = service(99, cluster=2, age=29)
    assert picked(service(50, hot=True), *quiet, other) == {1: [50, *range(20, 11, -1)]}


def test_whole_batches_take_nobody_along() -> None:
    hot = [service(pk, hot=True) for pk in range(10)]
    assert picked(*hot, service(50, age=29)) == {1: list(range(10))}


def test_many_that_are_due_at_once_are_spread_over_the_rounds_the_stalest_first() -> None:
    services = [service(pk, age=30 + pk) for pk in range(200)]
    # Ten rounds to the quiet interval: twenty would do, thirty catch up.
    assert sorted(picked(*services)[1]) == list(range(170, 200))


def test_clusters_with_hot_services_come_first() -> None:
    assert list(picked(service(1, 1, age=60), service(2, 2, hot=True))) == [2, 1]
