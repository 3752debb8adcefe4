"""How the benchmark counts and summarises."""

from __future__ import annotations

import pytest

from ecsconsole.bench.bare import cut
from ecsconsole.bench.figures import Spent, percentile, ratios, spread, spread_of
from ecsconsole.bench.refresh import formula


@pytest.mark.parametrize(
    ("services", "tasks", "calls"),
    [
        ([], [], 0),
        ([0], [0], 2),
        ([10], [100], 2 + 2 + 2),
        ([11], [101], 2 + 3 + 4),
        ([101], [0], 2 + 2 + 11),
        ([100] * 10, [400] * 10, 2 + 110 + 80),
    ],
)
def test_the_formula_counts_whole_batches_of_each_cluster(
    services: list[int], tasks: list[int], calls: int
) -> None:
    assert formula(services, tasks) == calls


def test_a_figure_is_the_median_with_its_range() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "range": [1.0, 3.0]}
    runs = [Spent(1.0, 0.5), Spent(3.0, 0.7), Spent(2.0, 0.6)]
    assert spread_of(runs)["cpu_s"] == {"median": 0.6, "range": [0.5, 0.7]}


def test_a_ratio_is_of_the_same_round() -> None:
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 2.0]) == {"median": 2.0, "range": [2.0, 3.0]}


def test_percentiles_of_a_sorted_sample() -> None:
    sample = [float(n) for n in range(1, 101)]
    assert (percentile(sample, 0.5), percentile(sample, 0.99), percentile(sample, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 0.99) == 7.0


def test_batches_hold_everything_once() -> None:
    assert list(cut(list("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]
