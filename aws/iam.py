"""Reads of IAM: roles, whom they trust, and what they may do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aws.calls import read
from aws.scope import Scope

ASSUMES = frozenset({"sts:AssumeRole", "sts:*", "*"})
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What IAM says of an action on a resource; `missing` are condition keys of which it was told no value."""

    action: str
    resource: str
    is_allowed: bool
    missing: tuple[str, ...] = ()


def simulate(
    scope: Scope,
    role_arn: str,
    action: str,
    resources: Sequence[str],
    context: Sequence[tuple[str, str]] = (),
) -> list[Verdict]:
    """Return whether a role's policies allow an action on each resource; raises AwsNotFound for a role that is gone.

    Policies of identity, boundary and organization are weighed, those of resources and sessions are not.
    IAM: iam:SimulatePrincipalPolicy.
    """
    answer = read(
        scope,
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=role_arn,
        ActionNames=[action],
        ResourceArns=list(resources),
        ContextEntries=[
            {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for name, value in context
        ],
    )
    found = answer.get("EvaluationResults") or []
    parts = [part for item in found for part in item.get("ResourceSpecificResults") or [item]]
    return [
        Verdict(
            action,
            str(part.get("EvalResourceName", "")),
            (part.get("EvalResourceDecision") or part.get("EvalDecision")) == "allowed",
            tuple(part.get("MissingContextValues") or ()),
        )
        for part in parts
    ]


def trust_policy(scope: Scope, role_name: str) -> Document:
    """Return the trust policy of a role; raises AwsNotFound where there is no such role. IAM: iam:GetRole."""
    role = read(scope, "iam", "get_role", RoleName=role_name)["Role"]
    policy = role.get("AssumeRolePolicyDocument") or {}
    found: Document = json.loads(unquote(policy)) if isinstance(policy, str) else policy
    return found


def trusts(policy: Mapping[str, Any], service: str) -> bool:
    """Whether a trust policy lets an AWS service assume the role; conditions are not weighed."""
    statements = [item for item in listed(policy.get("Statement")) if speaks_of(item, service)]
    effects = {str(item.get("Effect")) for item in statements if not item.get("Condition")}
    return "Deny" not in effects and any(item.get("Effect") == "Allow" for item in statements)


def conditions(policy: Mapping[str, Any], service: str) -> list[str]:
    """Return the condition keys under which a service may assume the role."""
    found = [
        item.get("Condition") or {} for item in listed(policy.get("Statement")) if speaks_of(item, service)
    ]
    return sorted({key for one in found for keys in one.values() for key in keys})


def speaks_of(statement: Mapping[str, Any], service: str) -> bool:
    principal = statement.get("Principal") or {}
    services = listed(principal.get("Service")) if isinstance(principal, Mapping) else listed(principal)
    return bool(ASSUMES & set(listed(statement.get("Action")))) and bool({service, "*"} & set(services))


def listed(value: Any) -> list[Any]:
    """Return what IAM writes as one or as a list, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
