from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (
            {"LEDGER_COPY_S3": "bucket/prefix", "LEDGER_COPY_S3_REGION": "eu-west-1"},
            "must be s3://bucket/prefix",
        ),
        ({"LEDGER_COPY_S3": "s3://bucket"}, "LEDGER_COPY_S3_REGION"),
        ({"LEDGER_COPY_LOCK_MODE": "NONE"}, "Use COMPLIANCE or GOVERNANCE"),
    ],
)
def test_a_setting_that_cannot_work_stops_the_start(named: dict[str, str], sentence: str) -> None:
    command = [sys.executable, "-c", "import ecsconsole.settings"]
    environment = {**os.environ, **named}
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert sentence in result.stderr
