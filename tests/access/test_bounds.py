from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.bounds import can_meet, glob_within, is_within, parts_meet, widens
from access.decisions import ACTIONS, ROLES, Binding, covers, decide, part_matches
from access.resources import Resource

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LETTERS = "ab/"
VALUES = ["".join(letters) for size in range(4) for letters in itertools.product(LETTERS, repeat=size)]
GLOBS = st.text("ab*?/", min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("prod-core", "prod-*", True),
        ("prod-*", "prod-*", True),
        ("prod-eu-*", "prod-*", True),
        ("prod-?", "prod-*", True),
        ("prod-*", "prod-?", False),
        ("prod-*", "prod-core", False),
        ("*-core", "prod-*", False),
        ("a/b", "a*", False),
    ],
)
def test_globs_within_globs(inner: str, outer: str, expected: bool) -> None:
    assert glob_within(inner, outer) is expected


@settings(max_examples=400, deadline=None)
@given(inner=GLOBS, outer=GLOBS)
def test_what_lies_within_matches_nothing_more(inner: str, outer: str) -> None:
    if glob_within(inner, outer):
        assert all(part_matches(outer, value) for value in VALUES if part_matches(inner, value))


@settings(max_examples=400, deadline=None)
@given(one=GLOBS, other=GLOBS)
def test_patterns_that_match_one_value_both_meet(one: str, other: str) -> None:
    if any(part_matches(one, value) and part_matches(other, value) for value in VALUES):
        assert parts_meet(one, other)


PARTS = {
    "environment": ["", "production", "staging"],
    "region": ["", "us-east-1"],
    "cluster": ["", "*", "prod-*", "prod-core"],
    "service": ["", "checkout-*", "cart-api", "c?rt-api"],
}
BINDINGS = st.builds(
    Binding,
    id=st.just(1),
    role=st.sampled_from(sorted(ROLES)),
    allows=st.booleans(),
    not_after=st.sampled_from([None, NOW + timedelta(days=1), NOW + timedelta(days=9)]),
    **{name: st.sampled_from(values) for name, values in PARTS.items()},
)
RESOURCES = [
    Resource(environment, "111122223333", "us-east-1", cluster, service)
    for environment in ("production", "staging")
    for cluster in ("prod-core", "staging-core")
    for service in ("checkout-api", "cart-api")
]


@settings(max_examples=300, deadline=None)
@given(inner=BINDINGS, outer=BINDINGS)
def test_place_within_a_place_covers_nothing_more(inner: Binding, outer: Binding) -> None:
    if is_within(inner, outer):
        assert all(covers(outer, place) for place in RESOURCES if covers(inner, place))
    if any(covers(inner, place) and covers(outer, place) for place in RESOURCES):
        assert can_meet(inner, outer)


@settings(max_examples=400, deadline=None)
@given(before=st.none() | BINDINGS, after=st.none() | BINDINGS, others=st.lists(BINDINGS, max_size=2))
def test_what_does_not_widen_allows_nothing_new(
    before: Binding | None, after: Binding | None, others: list[Binding]
) -> None:
    if widens(before, after):
        return
    old, new = [*others, *filter(None, [before])], [*others, *filter(None, [after])]
    for moment in (NOW, NOW + timedelta(days=5), NOW + timedelta(days=20)):
        for action, place in itertools.product(ACTIONS, RESOURCES):
            assert decide(old, action, place, moment) or not decide(new, action, place, moment)
