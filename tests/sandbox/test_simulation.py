from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.identity import Role
from sandbox.scenarios.empty import ACCOUNT_ID, READ_ROLE_ARN, ROLE_ARN
from sandbox.server import SandboxServer
from tests.sandbox.clients import assume, client, code_of


def decisions(sandbox: SandboxServer, role: str, *actions: str, **more: Any) -> dict[tuple[str, str], str]:
    """Return IAM's decisions by action and resource."""
    answer = client(sandbox, "iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=list(actions), **more
    )
    assert not answer["IsTruncated"]
    return {
        (item["EvalActionName"], item["EvalResourceName"]): item["EvalDecision"]
        for item in answer["EvaluationResults"]
    }


def test_roles_are_judged_by_what_the_sandbox_lets_them_do(sandbox: SandboxServer) -> None:
    assert decisions(sandbox, ROLE_ARN, "ecs:UpdateService", "iam:PassRole") == {
        ("ecs:UpdateService", "*"): "allowed",
        ("iam:PassRole", "*"): "allowed",
    }
    assert decisions(sandbox, READ_ROLE_ARN, "ecs:UpdateService", "ecs:DescribeServices") == {
        ("ecs:UpdateService", "*"): "implicitDeny",
        ("ecs:DescribeServices", "*"): "allowed",
    }
    some = decisions(sandbox, ROLE_ARN, "iam:PassRole", ResourceArns=["arn:one", "arn:two"])
    assert some == {("iam:PassRole", "arn:one"): "allowed", ("iam:PassRole", "arn:two"): "allowed"}


def test_a_refusal_that_is_on_counts(sandbox: SandboxServer) -> None:
    sandbox.faults.add("access-denied", service="ecs", operation="UpdateService", account=ACCOUNT_ID)
    sandbox.faults.add("throttle", operation="RunTask")
    assert list(decisions(sandbox, ROLE_ARN, "ecs:UpdateService", "ecs:RunTask").values()) == [
        "implicitDeny",
        "allowed",
    ]


def test_roles_that_are_not_there_or_of_another_account_are_refused(sandbox: SandboxServer) -> None:
    for role in (ROLE_ARN + "-none", ROLE_ARN.replace(ACCOUNT_ID, "999988887777")):
        with pytest.raises(ClientError) as caught:
            decisions(sandbox, role, "ecs:RunTask")
        assert code_of(caught) == "NoSuchEntity"


def test_a_role_made_through_iam_may_do_everything(sandbox: SandboxServer) -> None:
    made = client(sandbox, "iam").create_role(RoleName="made", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    assert decisions(sandbox, made, "ecs:RunTask") == {("ecs:RunTask", "*"): "allowed"}


def test_roles_are_passed_only_by_those_who_may(sandbox: SandboxServer) -> None:
    arn = f"arn:aws:iam::{ACCOUNT_ID}:role/no-passing"
    sandbox.identity.add_role(Role(arn, allows=("ecs:*",)))
    ecs = assume(sandbox, arn).client("ecs", endpoint_url=sandbox.url)
    plain: dict[str, Any] = {
        "family": "web",
        "containerDefinitions": [{"name": "app", "image": "nginx:1", "memory": 64}],
    }
    ecs.register_task_definition(**plain)
    task_role = f"arn:aws:iam::{ACCOUNT_ID}:role/app"
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {task_role}") as caught:
        ecs.register_task_definition(**plain, taskRoleArn=task_role)
    assert code_of(caught) == "AccessDeniedException"
