from __future__ import annotations

import time

import pytest

from logs.patterns import SEARCHED, PatternRefused, compile_regex, compile_text


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"error|warn", "a WARN line"),
        (r"status=5\d\d", "GET / status=503"),
        (r"cart.*grow", "cart cache grow"),
        (r"took \d+ ms", "it took 412 ms"),
        (r"(GET|POST) /v2/\w+", "post /v2/cart"),
        (r"^\[?info", "[info] x"),
        (r"order=[0-9a-f]{4}-\d{2}", "order=9f2c-11"),
    ],
)
def test_useful_patterns_work_in_either_case(pattern: str, text: str) -> None:
    assert compile_regex(pattern).search(text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+b",
        r"(a|a)*b",
        r"(a|aa)+$",
        r"((a?){8}){8}",
        r"(ab){2,}",
        r".*.*.*x",
        r"(a)\1",
        r"a?" * 9,
        "(ab|cd)" * 9,
        "x" * 201,
        r"(?=a+b*c{2,})(a|b+)*",
    ],
)
def test_patterns_that_can_run_for_hours_are_refused(pattern: str) -> None:
    with pytest.raises(PatternRefused):
        compile_regex(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "*", "(?P<n>"])
def test_what_is_no_pattern_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(PatternRefused, match="Not a regular expression"):
        compile_regex(pattern)


def test_worst_allowed_pattern_ends_soon() -> None:
    pattern = compile_regex("a*a*b")
    began = time.perf_counter()
    assert pattern.search("a" * SEARCHED) is None
    assert time.perf_counter() - began < 10


def test_plain_text_is_no_pattern() -> None:
    assert compile_text("a.b*").search("x A.B* y")
    assert not compile_text("a.b*").search("aXbb")
