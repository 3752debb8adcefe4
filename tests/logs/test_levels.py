from __future__ import annotations

import pytest

from logs.levels import level_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level":"error","msg":"no"}', "error"),
        ('{"msg":"no","severity": "WARNING"}', "warn"),
        ('{"level":30,"msg":"pino"}', "info"),
        ('{"level":50,"msg":"pino"}', "error"),
        ("time=03:12 level=warn msg=slow", "warn"),
        ("2026-03-12 03:12:46,118 ERROR cart: failed", "error"),
        ("[2026-03-12] [info] started", "info"),
        ("WARN  pool: connection took 1240 ms", "warn"),
        ("E0312 03:13:19.244 1 main.go:1] failed", "error"),
        ("Traceback (most recent call last):", "error"),
        ("panic: runtime error: index out of range", "error"),
        ("FATAL start failed, exiting with code 1", "error"),
        ("DEBUG:root:x", "debug"),
        ("GET /errors 200 12ms", ""),
        ("no error was found", ""),
        ("an information desk", ""),
        ("", ""),
    ],
)
def test_level_of_a_line(text: str, level: str) -> None:
    assert level_of(text) == level
