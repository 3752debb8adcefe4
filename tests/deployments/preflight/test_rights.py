"""What the changing role may do, as IAM's simulator says it."""

from __future__ import annotations

import pytest

from aws.errors import AwsAccessDenied
from aws.iam import Verdict
from aws.operator import Operator
from aws.sessions import sessions
from clusters.queries import scope_of
from deployments.plans import OK, WARN
from deployments.preflight import gathering, rollout_checks
from deployments.preflight.rights import judged, passing_check, rights_check
from sandbox.identity import Role
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, ROLE_ARN
from tests.deployments.preflight.world import SCOPE, Definition, check, definition, found
from tests.deployments.rig import Rig


def with_task_role(name: str = "app") -> Definition:
    return definition(taskRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/{name}")


def rights(rig: Rig, name: str, of: Definition) -> tuple[str, str]:
    """Return level and text of a check of a deploy that registers a definition."""
    gathering.answers.clear()
    one = {item.id: item for item in rollout_checks(rig.service, of, registers=True)}[name]
    return one.level, one.text


def let_only(rig: Rig, *allows: str) -> None:
    """Let the changing role do so much and no more."""
    rig.sandbox.identity.add_role(Role(ROLE_ARN, EXTERNAL_ID, allows))


def test_a_changing_role_that_may_is_named_with_what_it_may(shop: Rig) -> None:
    shop.sandbox.surroundings.create_role(ACCOUNT_ID, "app")
    may = "sandbox-operator may call ecs:UpdateService and ecs:RegisterTaskDefinition."
    assert rights(shop, "changing-role", with_task_role()) == (OK, may)
    passes = "sandbox-operator may pass app, execution to ecs-tasks.amazonaws.com."
    assert rights(shop, "pass-role", with_task_role()) == (OK, passes)


def test_calls_that_the_changing_role_may_not_make_are_warned_of(shop: Rig) -> None:
    shop.sandbox.surroundings.create_role(ACCOUNT_ID, "app")
    let_only(shop, "ecs:UpdateService")
    level, text = rights(shop, "changing-role", with_task_role())
    assert (level, "ecs:RegisterTaskDefinition on arn:aws:ecs:" in text) == (WARN, True)
    assert "ecs:UpdateService" not in text
    level, text = rights(shop, "pass-role", with_task_role())
    assert (level, f"iam:PassRole on arn:aws:iam::{ACCOUNT_ID}:role/app" in text) == (WARN, True)
    # Nothing is registered by a restart.
    assert check(shop, "changing-role") == (OK, "sandbox-operator may call ecs:UpdateService.")
    assert "pass-role" not in found(shop, definition())
    let_only(shop, "ecs:*", "iam:PassRole")
    assert rights(shop, "changing-role", with_task_role())[0] == OK


def test_what_the_simulator_denies_aws_refuses(shop: Rig) -> None:
    let_only(shop, "ecs:*")
    assert rights(shop, "pass-role", definition())[0] == WARN
    operator = Operator(scope_of(shop.service), source_identity="alice", change_id=1)
    sessions.clear()
    with pytest.raises(
        AwsAccessDenied, match=r"not authorized to perform: iam:PassRole on resource: .*:role/"
    ):
        operator.register_task_definition(family="shop", **definition())
    let_only(shop, "ecs:*", "iam:PassRole")
    sessions.clear()
    operator.register_task_definition(family="shop", **definition())


def test_new_roles_are_named_where_the_simulator_may_not_be_asked(shop: Rig) -> None:
    shop.sandbox.surroundings.create_role(ACCOUNT_ID, "app")
    shop.sandbox.faults.add("access-denied", operation="SimulatePrincipalPolicy")
    missing = "cannot be checked: the read role may not call iam:SimulatePrincipalPolicy."
    level, text = rights(shop, "pass-role", with_task_role())
    assert (level, text.endswith(f"allowed iam:PassRole on it. That {missing}")) == (WARN, True)
    assert "New for this service: arn:aws:iam" in text
    assert rights(shop, "pass-role", definition()) == (WARN, f"This {missing}")
    assert rights(shop, "changing-role", definition()) == (WARN, f"This {missing}")


def test_a_changing_role_that_is_gone_is_warned_of(shop: Rig) -> None:
    account = shop.service.cluster.account
    account.deploy_role_arn = f"arn:aws:iam::{ACCOUNT_ID}:role/none"
    level, text = check(shop, "changing-role")
    assert (level, "none cannot be found" in text) == (WARN, True)


def test_without_roles_the_rights_of_the_environment_are_not_looked_at() -> None:
    assert "not looked at" in rights_check(SCOPE, {"ecs:UpdateService": "*"}, "").text
    new = f"arn:aws:iam::{ACCOUNT_ID}:role/app"
    assert passing_check(SCOPE, (new,), (new,)).level == WARN
    assert passing_check(SCOPE, (new,), ()).level == OK


def test_conditions_that_are_not_known_are_named_and_not_weighed() -> None:
    verdicts = [Verdict("ecs:UpdateService", "*", is_allowed=False, missing=("aws:ResourceTag/team",))]
    one = judged("changing-role", "Rights", verdicts, "")
    assert (one.level, "conditions on aws:ResourceTag/team" in one.text) == (OK, True)
