"""Checks of roles: are they there, may ECS's tasks assume them, and is there one where one is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws import iam
from aws.ecr import repository_of
from aws.errors import AwsNotFound
from aws.scope import Scope
from deployments.plans import OK, REFUSE, Check
from deployments.preflight.gathering import Look, answers

TASKS = "ecs-tasks.amazonaws.com"
TITLES = {"executionRoleArn": "Execution role", "taskRoleArn": "Task role"}
IDS = {"executionRoleArn": "execution-role", "taskRoleArn": "task-role"}
Definition = Mapping[str, Any]


def role_checks(definition: Definition) -> list[Check]:
    """Return what can be said of roles without asking AWS."""
    checks = []
    if needs := needs_of(definition):
        if not definition.get("executionRoleArn"):
            text = f"None, and ECS needs one to {', '.join(needs)}. Set executionRoleArn."
            checks.append(Check("execution-role", TITLES["executionRoleArn"], REFUSE, text))
    elif not definition.get("executionRoleArn"):
        checks.append(Check("execution-role", TITLES["executionRoleArn"], OK, "None, and none is needed."))
    if not definition.get("taskRoleArn"):
        checks.append(Check("task-role", TITLES["taskRoleArn"], OK, "None: the containers call no AWS API."))
    return checks


def roles_of(definition: Definition) -> list[str]:
    return sorted({str(definition[key]) for key in TITLES if definition.get(key)})


def new_roles(definition: Definition, current: Definition) -> list[str]:
    """Return the roles that the changing role has to be allowed to pass and never had to for this service."""
    known = {current.get(key) for key in TITLES}
    return [arn for arn in roles_of(definition) if arn not in known]


def needs_of(definition: Definition) -> list[str]:
    """Return for what ECS itself needs an execution role; on EC2 the instance's own pulls and logs."""
    containers = definition.get("containerDefinitions") or []
    needs = []
    if any(
        item.get("secrets") or (item.get("logConfiguration") or {}).get("secretOptions")
        for item in containers
    ):
        needs.append("fetch the secrets")
    if any(item.get("repositoryCredentials") for item in containers):
        needs.append("sign in at the registry")
    if "FARGATE" in (definition.get("requiresCompatibilities") or []):
        if any(repository_of(str(item.get("image", ""))) for item in containers):
            needs.append("pull from ECR")
        if any((item.get("logConfiguration") or {}).get("logDriver") == "awslogs" for item in containers):
            needs.append("write logs")
    return needs


def role_looks(scope: Scope, definition: Definition) -> Iterable[Look]:
    """Return a look at each role; one call each."""
    for key, title in TITLES.items():
        if arn := str(definition.get(key) or ""):
            yield Look(
                IDS[key],
                title,
                lambda key=key, title=title, arn=arn: [role_check(scope, IDS[key], title, arn)],  # type: ignore[misc]
            )


def role_check(scope: Scope, name: str, title: str, arn: str) -> Check:
    account, role = account_and_name(arn)
    if account and account != scope.account_id:
        text = f"{arn} is of another account: ECS assumes roles of its own account only."
        return Check(name, title, REFUSE, text)
    try:
        policy = answers.get(iam.trust_policy, scope, role)
    except AwsNotFound:
        return Check(name, title, REFUSE, f"{role} does not exist: no task could start. Create it first.")
    if iam.trusts(policy, TASKS):
        return Check(name, title, OK, f"{role} exists, and {TASKS} may assume it.")
    if keys := iam.conditions(policy, TASKS):
        text = f"{role} trusts {TASKS} under conditions on {', '.join(keys)}, which are not weighed here."
        return Check(name, title, OK, text)
    text = f"The trust policy of {role} does not let {TASKS} assume it: no task could start. Allow sts:AssumeRole."
    return Check(name, title, REFUSE, text)


def account_and_name(arn: str) -> tuple[str, str]:
    """Return the account and the name of a role, of which the path is no part; a bare name is of this account."""
    parts = arn.split(":", 5)
    return (parts[4] if len(parts) > 5 else ""), arn.rsplit("/", 1)[-1]
