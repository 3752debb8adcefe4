"""IAM's simulator and iam:PassRole, by the same rules by which the sandbox lets calls through."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from sandbox.around import wire
from sandbox.faults import Call, Faults, denied
from sandbox.identity import Identity, Principal
from sandbox.messages import Answer, Request
from sandbox.ports import ApiError

OPERATION = "SimulatePrincipalPolicy"
# The calls by which ECS gets roles that it may hand to tasks, and where they name them.
PASSES = ("RegisterTaskDefinition", "RunTask")
ROLES = ("taskRoleArn", "executionRoleArn")


def answer_simulation(
    request: Request, principal: Principal, region: str, identity: Identity, faults: Faults
) -> Answer:
    """Answer SimulatePrincipalPolicy: by what a role may do, and by the refusals that are on for an action."""
    params = wire.read(request, "iam", OPERATION)
    allows = allowed_of(identity, principal.account_id, params["PolicySourceArn"])
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision(allows, action, principal.account_id, region, faults),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in params["ActionNames"]
        for resource in params.get("ResourceArns") or ["*"]
    ]
    return wire.write(request, "iam", OPERATION, {"EvaluationResults": results, "IsTruncated": False})


def allowed_of(identity: Identity, account_id: str, arn: str) -> tuple[str, ...]:
    role = identity.role(arn) if f":{account_id}:" in arn else None
    if role is None:
        text = f"The role with name {arn.rsplit('/', 1)[-1]} cannot be found."
        raise ApiError("NoSuchEntity", text, status=404)
    return role.allows


def decision(allows: tuple[str, ...], action: str, account_id: str, region: str, faults: Faults) -> str:
    service, _, operation = action.partition(":")
    call = Call(service, operation, account_id, region)
    if any(fault.kind == "access-denied" and fault.matches(call) for fault in faults.active()):
        return "implicitDeny"
    return "allowed" if any(fnmatchcase(action, pattern) for pattern in allows) else "implicitDeny"


def check_passing(principal: Principal, operation: str, params: dict[str, Any]) -> None:
    """Refuse a call that gives ECS a role which its caller may not pass."""
    if operation in PASSES and not principal.may("iam:PassRole"):
        for arn in passed(params):
            raise denied(principal.arn, "iam", "PassRole", arn, code="AccessDeniedException")


def passed(params: dict[str, Any]) -> Iterator[str]:
    for source in (params, params.get("overrides") or {}):
        yield from (str(source[name]) for name in ROLES if source.get(name))
