from __future__ import annotations

import re
from pathlib import Path

import pytest

from aws.calls import IAM_NAMES, pascal

ROOT = Path(__file__).resolve().parents[2]
POLICY = (ROOT / "docs" / "aws-permissions.md").read_text(encoding="utf-8")


SERVICES = {
    "ecs.py": "ecs",
    "operator.py": "ecs",
    "ecr.py": "ecr",
    "logs.py": "logs",
    "s3.py": "s3",
    "cloudtrail.py": "cloudtrail",
}
SMALL = (
    "iam.py",
    "secrets.py",
    "elb.py",
    "alarms.py",
    "capacity.py",
    "autoscaling.py",
    "cloudwatch.py",
)
# IAM grants the listing of a bucket under another name than the call's.
NAMED_OTHERWISE = {
    "s3:ListObjectsV2": "s3:ListBucket",
    # The one call of the operator that is not to ECS.
    "ecs:RegisterScalableTarget": "application-autoscaling:RegisterScalableTarget",
}
VERBS = "put|list|describe|get|batch_get|filter|register|update|stop|run|lookup"


def operations_called() -> set[str]:
    """Return AWS's names of the operations that the gateway calls by name."""
    called: set[str] = set()
    for file, service in SERVICES.items():
        source = (ROOT / "aws" / file).read_text(encoding="utf-8")
        for operation in re.findall(rf'"((?:{VERBS})_[a-z0-9_]+)"', source):
            action = f"{service}:{''.join(word.capitalize() for word in operation.split('_'))}"
            called.add(NAMED_OTHERWISE.get(action, action))
    return called | operations_read()


def operations_read() -> set[str]:
    """Return the actions of the small modules, whose reads name their service beside the operation."""
    called: set[str] = set()
    for file in SMALL:
        source = (ROOT / "aws" / file).read_text(encoding="utf-8")
        pairs = re.findall(r'read\(\s*scope,\s*"([\w-]+)",\s*"([a-z0-9_]+)"', source)
        assert pairs, file
        called |= {f"{IAM_NAMES.get(service, service)}:{pascal(operation)}" for service, operation in pairs}
    return called


def test_operations_are_found() -> None:
    assert {"ecs:DescribeServices", "ecs:UpdateService", "cloudtrail:LookupEvents"} <= operations_called()


@pytest.mark.parametrize("operation", sorted(operations_called()))
def test_policy_lists_what_the_gateway_calls(operation: str) -> None:
    assert f'"{operation}"' in POLICY
