"""Roles of the tasks: there, trusted, and needed or not."""

from __future__ import annotations

from typing import Any

import pytest

from aws.iam import trusts
from deployments.plans import OK, REFUSE
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.preflight.world import check, definition
from tests.deployments.rig import Rig


def test_a_role_that_does_not_exist_is_refused(shop: Rig) -> None:
    arn = f"arn:aws:iam::{ACCOUNT_ID}:role/nobody"
    level, text = check(shop, "task-role", definition(taskRoleArn=arn))
    assert (level, "nobody does not exist" in text) == (REFUSE, True)


def test_a_role_that_ecs_may_not_assume_is_refused(shop: Rig) -> None:
    shop.sandbox.surroundings.create_role(ACCOUNT_ID, "lambda", "lambda.amazonaws.com")
    arn = f"arn:aws:iam::{ACCOUNT_ID}:role/lambda"
    level, text = check(shop, "task-role", definition(taskRoleArn=arn))
    assert (level, "does not let ecs-tasks.amazonaws.com assume it" in text) == (REFUSE, True)


def test_a_role_of_another_account_is_refused(shop: Rig) -> None:
    level, text = check(shop, "task-role", definition(taskRoleArn="arn:aws:iam::999988887777:role/app"))
    assert (level, "another account" in text) == (REFUSE, True)


def test_a_missing_execution_role_is_refused_only_where_ecs_needs_one(shop: Rig) -> None:
    level, text = check(shop, "execution-role", definition(executionRoleArn=None))
    assert level == REFUSE
    assert "pull from ECR, write logs" in text
    plain = definition(executionRoleArn=None, container={"image": "nginx:1.29", "logConfiguration": None})
    assert check(shop, "execution-role", plain)[0] == OK


@pytest.mark.parametrize(
    ("statement", "is_trusted"),
    [
        ({"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}, True),
        (
            {"Principal": {"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}, "Action": ["sts:*"]},
            True,
        ),
        ({"Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}, False),
        ({"Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, False),
        ({"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:TagSession"}, False),
    ],
)
def test_trust_policies_are_read(statement: dict[str, Any], is_trusted: bool) -> None:
    policy = {"Statement": [{"Effect": "Allow", **statement}]}
    assert trusts(policy, "ecs-tasks.amazonaws.com") is is_trusted
    denied = {"Statement": [*policy["Statement"], {"Effect": "Deny", **statement}]}
    assert not trusts(denied, "ecs-tasks.amazonaws.com")
