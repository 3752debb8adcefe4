"""All checks side by side: what cannot be read, is slow or away, and what it costs."""

from __future__ import annotations

import time

import pytest

from aws.errors import AwsAccessDenied, AwsUnreachable
from aws.scope import Scope
from deployments.plans import OK, WARN, Check
from deployments.preflight import gathering
from deployments.preflight.gathering import Answers, Look, gather
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.preflight.world import check, definition, found, with_secret
from tests.deployments.rig import REGION, Rig

DENIABLE = [
    ("iam", "GetRole", "execution-role"),
    ("secretsmanager", "DescribeSecret", "secret-app-DB"),
    ("logs", "DescribeLogGroups", "log-group-app"),
    ("ecr", "DescribeImages", "image-app"),
    ("ecr", "BatchGetImage", "architecture-app"),
    ("ecr", "GetDownloadUrlForLayer", "architecture-app"),
    ("ecr", "GetLifecyclePolicy", "expiry-app"),
    ("ec2", "DescribeSubnets", "subnets"),
    ("application-autoscaling", "DescribeScalableTargets", "autoscaler"),
    ("servicequotas", "GetServiceQuota", "fargate-quota"),
]


def test_a_sound_rollout_passes_every_check(shop: Rig) -> None:
    bad = [one for one in found(shop, definition()).values() if one.level != OK]
    # The past of this service is one deployment, and that may still be the only one.
    assert [one.id for one in bad if one.id != "last-good"] == []


@pytest.mark.parametrize(("service", "operation", "name"), DENIABLE)
def test_a_missing_permission_is_named_and_refuses_nothing(
    shop: Rig, service: str, operation: str, name: str
) -> None:
    arn = shop.sandbox.surroundings.create_secret(ACCOUNT_ID, REGION, "db", "made up")
    shop.sandbox.faults.add("access-denied", operation=operation)
    level, text = check(shop, name, with_secret(arn))
    assert level == WARN
    assert f"the read role may not call {service}:{operation}" in text


@pytest.mark.parametrize("operation", ["DescribeTargetGroups", "DescribeTargetGroupAttributes"])
def test_a_missing_permission_on_load_balancers_is_named_as_iam_names_it(
    balanced: Rig, operation: str
) -> None:
    balanced.sandbox.faults.add("access-denied", operation=operation)
    told = [one for one in found(balanced, definition()).values() if operation in one.text]
    assert [one.level for one in told] == [WARN]
    assert f"elasticloadbalancing:{operation}" in told[0].text


def test_a_slow_aws_is_not_waited_for(shop: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    found(shop, definition())
    gathering.answers.clear()
    # Long enough for everything else on a busy machine, and half of what the slow one takes.
    monkeypatch.setattr(gathering, "SECONDS", 4)
    shop.sandbox.faults.add("latency", operation="GetRole", milliseconds=8000, count=1)
    began = time.monotonic()
    checks = found(shop, definition())
    assert time.monotonic() - began < 7.5
    assert checks["execution-role"].level == WARN
    assert "did not answer within 4 seconds" in checks["execution-role"].text
    assert checks["log-group-app"].level == OK
    # The slow look is over before another test's world begins.
    time.sleep(max(0.0, began + 9 - time.monotonic()))


def test_an_unreachable_aws_leaves_warnings_and_no_refusal() -> None:
    def away() -> list[Check]:
        raise AwsUnreachable("no route", action="iam:GetRole", code="EndpointConnectionError")

    (one,) = gather([Look("task-role", "Task role", away)])
    assert (one.level, "iam:GetRole" in one.text) == (WARN, True)


def test_an_answer_that_cannot_be_read_is_said_and_logged() -> None:
    def odd() -> list[Check]:
        raise KeyError("Role")

    (one,) = gather([Look("task-role", "Task role", odd)])
    assert (one.level, "could not be read (KeyError)" in one.text) == (WARN, True)


def calls_made(rig: Rig) -> list[str]:
    """Return the distinct calls of one plan's checks."""
    rig.sandbox.calls.reset()
    found(rig, definition())
    return sorted({f"{one.service}:{one.operation}" for one in rig.sandbox.calls.recent()})


def test_calls_of_a_plan_and_of_the_next_one(balanced: Rig) -> None:
    scaling = "application-autoscaling:DescribeScalableTargets"
    assert calls_made(balanced) == [
        scaling,
        "ec2:DescribeSubnets",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetLifecyclePolicy",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy",
        "logs:DescribeLogGroups",
        "servicequotas:GetServiceQuota",
    ]
    # That there is no autoscaler is asked again.
    assert calls_made(balanced) == [scaling]


def test_an_answer_is_kept_half_a_minute_and_an_absence_never() -> None:
    moment = [0.0]
    kept, asked = Answers(lambda: moment[0]), []

    def look(what: str) -> str | None:
        asked.append(what)
        return None if what == "absent" else what

    for what in ("there", "there", "absent", "absent"):
        kept.get(look, what)
    assert asked == ["there", "absent", "absent"]
    moment[0] = gathering.FRESH_SECONDS
    kept.get(look, "there")
    assert asked[-1] == "there"


def test_a_refusal_for_a_permission_is_kept_as_well() -> None:
    kept, asked = Answers(), []

    def look() -> None:
        asked.append(1)
        raise AwsAccessDenied("no", action="iam:GetRole")

    for _ in range(2):
        with pytest.raises(AwsAccessDenied):
            kept.get(look)
    assert len(asked) == 1


def test_scope_stays_the_readers_in_another_region() -> None:
    scope = Scope("1", "us-east-1", "read", "deploy", "id")
    assert scope.in_region("eu-west-1") == Scope("1", "eu-west-1", "read", "deploy", "id")
