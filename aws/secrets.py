"""Reads of Secrets Manager and Parameter Store: that a secret is there, never what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws.calls import read
from aws.scope import Scope

NAMES_PER_FILTER = 50


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret without its value: whether it is marked for deletion, its version ids and their stages."""

    is_deleted: bool
    versions: frozenset[str]
    stages: frozenset[str]


def describe_secret(scope: Scope, arn: str) -> Secret:
    """Describe a secret; raises AwsNotFound where there is none. IAM: secretsmanager:DescribeSecret."""
    answer = read(scope, "secretsmanager", "describe_secret", SecretId=arn)
    versions = answer.get("VersionIdsToStages") or {}
    stages = frozenset(stage for known in versions.values() for stage in known)
    return Secret(bool(answer.get("DeletedDate")), frozenset(versions), stages)


def existing_parameters(scope: Scope, names: Sequence[str]) -> frozenset[str]:
    """Return which of at most 50 parameters are there. IAM: ssm:DescribeParameters, which shows no values."""
    filters = [{"Key": "Name", "Option": "Equals", "Values": list(names)}]
    found: set[str] = set()
    token = ""
    while True:
        paging = {"NextToken": token} if token else {}
        page = read(scope, "ssm", "describe_parameters", ParameterFilters=filters, MaxResults=50, **paging)
        found |= {str(item.get("Name", "")) for item in page.get("Parameters") or []}
        token = page.get("NextToken") or ""
        if not token:
            return frozenset(found)
