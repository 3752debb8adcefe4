from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POLICY = (ROOT / "docs" / "aws-permissions.md").read_text(encoding="utf-8")


def operations_called() -> set[str]:
    """Return AWS's names of the operations that the gateway calls by name."""
    called: set[str] = set()
    for path in (ROOT / "aws").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for service, operation in re.findall(r'"(ecs|ecr|logs)",\s*"([a-z_]+)"', source):
            called.add(f"{service}:{''.join(word.capitalize() for word in operation.split('_'))}")
        for operation in re.findall(r'self\._call\("([a-z_]+)"', source):
            called.add(f"ecs:{''.join(word.capitalize() for word in operation.split('_'))}")
    return called


def test_operations_are_found() -> None:
    assert {"ecs:DescribeServices", "ecs:UpdateService"} <= operations_called()


@pytest.mark.parametrize("operation", sorted(operations_called()))
def test_policy_lists_what_the_gateway_calls(operation: str) -> None:
    assert f'"{operation}"' in POLICY
