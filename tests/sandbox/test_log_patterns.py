from __future__ import annotations

import pytest

from sandbox.log_patterns import compile_pattern
from sandbox.ports import ApiError


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR timeout", "timeout after ERROR", True),
        ("ERROR timeout", "ERROR only", False),
        ('"out of memory"', "killed: out of memory", True),
        ('"out of memory"', "out of luck, memory fine", False),
        ("ERROR -healthz", "ERROR in GET /healthz", False),
        ("ERROR -healthz", "ERROR in GET /cart", True),
        ("?ERROR ?WARN", "a WARN", True),
        ("?ERROR ?WARN", "an INFO", False),
        (r"%HTTP/1\.[01]\" 5\d\d%", 'GET / HTTP/1.1" 502 3ms', True),
        ('{ $.level = "error" }', '{"level": "error"}', True),
        ('{ $.level = "error" }', "no json", False),
        ("{ $.http.status >= 500 }", '{"http": {"status": 502}}', True),
        ("{ $.http.status >= 500 }", '{"http": {"status": 200}}', False),
        ('{ $.path = "/api/*" }', '{"path": "/api/cart"}', True),
        ('{ $.level != "error" }', '{"level": "info"}', True),
    ],
)
def test_filter_pattern(pattern: str, message: str, matches: bool) -> None:
    assert compile_pattern(pattern)(message) is matches


@pytest.mark.parametrize("pattern", ["[ip, user, code=5*]", "{ $.a = 1 && $.b = 2 }", "%(%"])
def test_patterns_it_does_not_know_are_refused_rather_than_ignored(pattern: str) -> None:
    with pytest.raises(ApiError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "InvalidParameterException"
