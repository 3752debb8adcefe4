"""What is looked at in AWS before a change: found good, found bad, not to be looked at, and never waited for."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from aws import downloads
from aws.ecr import ImageTag
from aws.errors import AwsAccessDenied, AwsUnreachable
from aws.iam import Verdict, trusts
from aws.operator import Operator
from aws.scope import Scope
from aws.sessions import sessions
from clusters.queries import scope_of
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight import churn_of, gathering, rollout_checks
from deployments.preflight.gathering import Answers, Look, gather
from deployments.preflight.images import Asked, architecture_check, expiry_check, scan_check
from deployments.preflight.rights import judged, passing_check, rights_check
from deployments.preflight.rollout import limit_of
from deployments.preflight.secrets import parse
from sandbox.identity import Role
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, ROLE_ARN
from tests.deployments.rig import REGION, REPOSITORY, Rig

GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}:targetgroup/shop/0123456789abcdef"
Definition = dict[str, Any]


def definition(**more: Any) -> Definition:
    """Return a definition that all checks pass, with something else of the container or the task."""
    container = {
        "name": "app",
        "image": f"{REPOSITORY}:v1",
        "portMappings": [{"containerPort": 8080}],
        "memory": 512,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/shop",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "ecs",
            },
        },
        **more.pop("container", {}),
    }
    return {
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/execution",
        "containerDefinitions": [container],
        **more,
    }


def found(rig: Rig, of: Definition) -> dict[str, Check]:
    return {check.id: check for check in rollout_checks(rig.service, of)}


def check(rig: Rig, name: str, of: Definition | None = None) -> tuple[str, str]:
    """Return level and text of one check."""
    one = found(rig, definition() if of is None else of)[name]
    return one.level, one.text


@pytest.fixture
def shop(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    # How busy the machine is says nothing about the checks; what the bound does has a test of its own.
    monkeypatch.setattr(gathering, "SECONDS", 60.0)
    monkeypatch.setattr(downloads, "CONNECT_SECONDS", 30.0)
    monkeypatch.setattr(downloads, "SECONDS", 30.0)
    dev_rig.sandbox.surroundings.create_log_group(ACCOUNT_ID, REGION, "/ecs/shop")
    return dev_rig


@pytest.fixture
def client(shop: Rig) -> Callable[[str], Any]:
    return lambda name: shop.sandbox.client(name, account_id=ACCOUNT_ID)


def with_secret(value_from: str) -> Definition:
    return definition(container={"secrets": [{"name": "DB", "valueFrom": value_from}]})


def test_a_sound_rollout_passes_every_check(shop: Rig) -> None:
    bad = [one for one in found(shop, definition()).values() if one.level != OK]
    # The past of this service is one deployment, and that may still be the only one.
    assert [one.id for one in bad if one.id != "last-good"] == []


# Roles


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


# Secrets


def test_a_secret_that_is_there_passes_with_key_and_stage(shop: Rig) -> None:
    arn = shop.sandbox.surroundings.create_secret(ACCOUNT_ID, REGION, "db", "made up")
    assert check(shop, "secret-app-DB", with_secret(arn))[0] == OK
    level, text = check(shop, "secret-app-DB", with_secret(f"{arn}:password:AWSCURRENT:"))
    assert (level, "key password is not looked at" in text) == (OK, True)
    level, text = check(shop, "secret-app-DB", with_secret(f"{arn}:password:NEXT:"))
    assert (level, "no version of stage NEXT" in text) == (REFUSE, True)


def test_a_secret_that_is_missing_or_marked_for_deletion_is_refused(
    shop: Rig, client: Callable[[str], Any]
) -> None:
    missing = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:none-AbCdEf"
    assert check(shop, "secret-app-DB", with_secret(missing))[0] == REFUSE
    arn = shop.sandbox.surroundings.create_secret(ACCOUNT_ID, REGION, "db", "made up")
    client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    level, text = check(shop, "secret-app-DB", with_secret(arn))
    assert (level, "marked for deletion" in text) == (REFUSE, True)


def test_a_parameter_is_found_by_name_and_by_arn(shop: Rig) -> None:
    arn = shop.sandbox.surroundings.create_parameter(ACCOUNT_ID, REGION, "/shop/db", "made up")
    for value_from in ("/shop/db", arn):
        assert check(shop, "secret-app-DB", with_secret(value_from))[0] == OK
    assert check(shop, "secret-app-DB", with_secret("/shop/none"))[0] == REFUSE
    elsewhere = f"arn:aws:ssm:{REGION}:999988887777:parameter/shop/db"
    assert check(shop, "secret-app-DB", with_secret(elsewhere))[0] == WARN


def test_what_is_no_reference_is_refused(shop: Rig) -> None:
    assert check(shop, "secret-app-DB", with_secret("arn:aws:s3:::bucket/key"))[0] == REFUSE
    assert parse("") is None


# Logs


def with_logs(**options: str) -> Definition:
    given = {"awslogs-group": "/ecs/none", "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return definition(
        container={"logConfiguration": {"logDriver": "awslogs", "options": {**given, **options}}}
    )


def test_a_log_group_that_is_missing_is_refused_unless_it_is_made(shop: Rig) -> None:
    assert check(shop, "log-group-app", with_logs())[0] == REFUSE
    level, text = check(shop, "log-group-app", with_logs(awslogs_create_group="true"))
    assert (level, "logs:CreateLogGroup" in text) == (WARN, True)


def test_a_log_group_of_no_region_is_refused(shop: Rig) -> None:
    level, text = check(shop, "log-group-app", with_logs(awslogs_region="mars-north-1"))
    assert (level, "mars-north-1" in text) == (REFUSE, True)


def test_a_container_without_logging_is_warned_of(shop: Rig) -> None:
    silent = definition(container={"logConfiguration": None})
    assert check(shop, "log-configuration", silent)[0] == WARN


# Load balancer


@pytest.fixture
def balanced(shop: Rig) -> Rig:
    """The same service behind a target group of the sandbox, as ECS tells of it."""
    balancer = {"targetGroupArn": GROUP, "containerName": "app", "containerPort": 8080}
    shop.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[balancer])
    shop.world.advance(400)
    shop.sync()
    shop.service.facts["healthCheckGracePeriodSeconds"] = 60
    # The session of the role and the clients are made once per process.
    found(shop, definition())
    gathering.answers.clear()
    return shop


def test_target_group_health_check_and_drain_are_told(balanced: Rig) -> None:
    checks = found(balanced, definition())
    names = ("target-group-shop", "health-check-shop", "grace-shop", "drain-shop", "load-balancer-app")
    assert [checks[name].level for name in names] == [OK] * len(names)
    assert "5 min" in checks["drain-shop"].text


def test_a_port_or_name_that_is_not_kept_is_refused(balanced: Rig) -> None:
    moved = definition(container={"portMappings": [{"containerPort": 9090}]})
    level, text = check(balanced, "load-balancer-app", moved)
    assert (level, "port 8080 of app, and the definition maps 9090" in text) == (REFUSE, True)
    assert check(balanced, "load-balancer-app", definition(container={"name": "web"}))[0] == REFUSE


def test_a_target_group_of_the_wrong_type_is_refused(balanced: Rig) -> None:
    level, text = check(balanced, "target-group-shop", definition(networkMode="bridge"))
    assert (level, "register as instance" in text) == (REFUSE, True)


def test_a_target_group_that_is_gone_is_refused(balanced: Rig) -> None:
    balanced.service.facts["loadBalancers"][0]["targetGroupArn"] = GROUP.replace("/shop/", "/gone/")
    assert check(balanced, "target-group-gone")[0] == REFUSE


def test_a_short_grace_period_is_warned_of(balanced: Rig) -> None:
    balanced.service.facts["healthCheckGracePeriodSeconds"] = 0
    level, text = check(balanced, "grace-shop")
    assert (level, "after 60 s without an answer" in text) == (WARN, True)


def test_blue_green_without_a_second_target_group_is_refused(balanced: Rig) -> None:
    balanced.service.facts["deploymentConfiguration"]["strategy"] = "BLUE_GREEN"
    assert check(balanced, "alternate-app")[0] == REFUSE


# Subnets


def test_free_addresses_are_told(shop: Rig) -> None:
    level, text = check(shop, "subnets")
    assert level == OK
    assert text.startswith("The rollout adds up to 2 tasks; each of 2 subnets has at least 65,5")


def test_a_subnet_without_addresses_for_its_share_is_warned_of(shop: Rig) -> None:
    shop.world.troubles.addresses["subnet-b"] = 1
    level, text = check(shop, "subnets")
    assert level == WARN
    assert "adds up to 2 tasks, about 1 in each subnet: subnet-b in us-east-1b has 0 free." in text
    assert "InsufficientFreeAddressesInSubnet" in text
    # Nothing is added where tasks stop before others start.
    gathering.answers.clear()
    shop.service.facts["deploymentConfiguration"] = {"minimumHealthyPercent": 0, "maximumPercent": 100}
    assert check(shop, "subnets")[0] == OK


def test_a_subnet_that_does_not_exist_is_refused_until_it_does(shop: Rig) -> None:
    network = shop.service.facts["networkConfiguration"]["awsvpcConfiguration"]
    network["subnets"] = ["subnet-a", "subnet-new"]
    level, text = check(shop, "subnets")
    assert (level, "The subnet ID 'subnet-new' does not exist: no task" in text) == (REFUSE, True)
    shop.call(
        "UpdateService",
        cluster="prod",
        service="checkout-api",
        networkConfiguration={"awsvpcConfiguration": network},
    )
    assert check(shop, "subnets")[0] == OK


def test_tasks_on_the_network_of_their_instance_need_no_address(shop: Rig) -> None:
    assert "subnets" not in found(shop, definition(networkMode="bridge"))


# Capacity


@pytest.mark.parametrize(
    ("more", "name", "level"),
    [
        ({"cpu": "1024"}, "task-size", REFUSE),
        ({"ephemeralStorage": {"sizeInGiB": 50}}, "ephemeral-storage", OK),
        ({"ephemeralStorage": {"sizeInGiB": 300}}, "ephemeral-storage", REFUSE),
    ],
)
def test_sizes_of_fargate(shop: Rig, more: dict[str, Any], name: str, level: str) -> None:
    assert check(shop, name, definition(**more))[0] == level


def test_an_old_platform_lacks_what_newer_definitions_need(shop: Rig) -> None:
    shop.service.facts["platformVersion"] = "1.3.0"
    assert check(shop, "platform-version")[0] == WARN
    arm = definition(runtimePlatform={"cpuArchitecture": "ARM64"})
    assert check(shop, "platform-version", arm)[0] == REFUSE


def test_a_quota_that_the_peak_passes_is_warned_of(shop: Rig) -> None:
    assert check(shop, "fargate-quota")[0] == OK
    gathering.answers.clear()
    shop.world.troubles.vcpu_limits[ACCOUNT_ID, REGION] = 0.5
    level, text = check(shop, "fargate-quota")
    assert (level, "1 vCPUs at the peak of 4 tasks" in text) == (WARN, True)


def on_instances(rig: Rig) -> Definition:
    rig.service.facts["launchType"] = "EC2"
    return definition(requiresCompatibilities=["EC2"], cpu="1024", memory="1024")


def test_no_instance_is_refused_and_room_is_counted(shop: Rig) -> None:
    of = on_instances(shop)
    assert check(shop, "instance-room", of)[0] == REFUSE
    shop.call("RegisterContainerInstance", cluster="prod")
    level, text = check(shop, "instance-room", of)
    assert (level, "room for 2 more" in text) == (OK, True)
    gathering.answers.clear()
    large = {**of, "cpu": "4096"}
    level, text = check(shop, "instance-room", large)
    assert (level, "room for 0 more" in text) == (WARN, True)


def test_a_capacity_provider_that_is_unknown_is_refused(shop: Rig) -> None:
    shop.service.facts["capacityProviderStrategy"] = [{"capacityProvider": "none", "weight": 1}]
    level, text = check(shop, "capacity-providers")
    assert (level, "none is unknown" in text) == (REFUSE, True)


def test_a_capacity_provider_that_the_cluster_does_not_have_is_refused_until_it_is_attached(
    shop: Rig,
) -> None:
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT_ID}:capacity-provider/FARGATE_SPOT"
    shop.service.facts["capacityProviderStrategy"] = [{"capacityProvider": arn, "weight": 1}]
    level, text = check(shop, "capacity-providers")
    assert (level, "FARGATE_SPOT is not attached to prod" in text) == (REFUSE, True)
    assert text.endswith("Attach it with PutClusterCapacityProviders, or choose another: none is attached.")
    # The inventory does not know it yet.
    attached = {"capacityProviders": ["FARGATE", "FARGATE_SPOT"], "defaultCapacityProviderStrategy": []}
    shop.call("PutClusterCapacityProviders", cluster="prod", **attached)
    assert check(shop, "capacity-providers") == (OK, "FARGATE_SPOT: ACTIVE and attached to prod.")
    shop.sandbox.faults.add("access-denied", operation="DescribeClusters")
    level, text = check(shop, "capacity-providers")
    assert (level, "the read role may not call ecs:DescribeClusters" in text) == (WARN, True)
    shop.service.cluster.facts = {**shop.service.cluster.facts, **attached}
    assert check(shop, "capacity-providers")[0] == OK


# Alarms and scaling


def with_alarms(rig: Rig, *names: str) -> None:
    alarms = {"alarmNames": list(names), "enable": True, "rollback": True}
    rig.service.facts["deploymentConfiguration"]["alarms"] = alarms


def test_alarms_that_are_missing_or_ring_are_warned_of(shop: Rig, client: Callable[[str], Any]) -> None:
    with_alarms(shop, "5xx")
    assert "does not exist" in check(shop, "deployment-alarms")[1]
    client("cloudwatch").put_metric_alarm(
        AlarmName="5xx",
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Average",
        Threshold=99,
    )
    gathering.answers.clear()
    assert check(shop, "deployment-alarms")[0] == OK
    client("cloudwatch").set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="test")
    gathering.answers.clear()
    level, text = check(shop, "deployment-alarms")
    assert (level, "ECS ignores it" in text) == (WARN, True)


def test_an_autoscaler_is_told_with_its_bounds(shop: Rig, client: Callable[[str], Any]) -> None:
    assert "Nobody else" in check(shop, "autoscaler")[1]
    names = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod/checkout-api",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling = client("application-autoscaling")
    scaling.register_scalable_target(**names, MinCapacity=2, MaxCapacity=9)
    level, text = check(shop, "autoscaler")
    assert (level, "between 2 and 9 tasks" in text) == (OK, True)
    gathering.answers.clear()
    scaling.register_scalable_target(**names, SuspendedState={"DynamicScalingOutSuspended": True})
    assert check(shop, "autoscaler")[0] == WARN


@pytest.mark.parametrize(
    ("threshold", "desired", "limit"),
    [
        ({}, 2, 3),
        ({}, 40, 20),
        ({}, 1000, 200),
        ({"type": "COUNT", "value": 7}, 2, 7),
        ({"type": "UNBOUNDED_PERCENT", "value": 50}, 1000, 500),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 100, 10),
    ],
)
def test_the_breaker_acts_after_as_many_tasks_as_ecs_says(
    threshold: dict[str, Any], desired: int, limit: int
) -> None:
    assert limit_of(threshold, desired) == limit


# Images


SCOPE = Scope(ACCOUNT_ID, REGION)
IMAGE = ImageTag("v1", "sha256:" + "a" * 64, None, None)
ON_X86 = Asked("X86_64", "linux")
ON_ARM = Asked("ARM64", "linux")
ON_WINDOWS = Asked("X86_64", "windows")
ON_INSTANCES = Asked("", "linux")


@pytest.fixture
def ecr_says(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let ECR answer what the sandbox's registry does not hold, by operation."""
    said: dict[str, Any] = {}
    monkeypatch.setattr("aws.ecr.read", lambda scope, service, operation, **params: said[operation])
    return said


def manifest(document: dict[str, Any]) -> dict[str, Any]:
    return {"images": [{"imageManifest": json.dumps(document)}]}


def image_index(*platforms: tuple[str, str]) -> dict[str, Any]:
    return manifest(
        {"manifests": [{"platform": {"os": system, "architecture": one}} for system, one in platforms]}
    )


ARM = ("linux", "arm64")
INTEL = ("linux", "amd64")


@pytest.mark.parametrize(
    ("platforms", "asked", "level", "told"),
    [
        ([INTEL, ARM], ON_X86, OK, "Built for linux/amd64, linux/arm64; the tasks are X86_64."),
        ([ARM, ("unknown", "unknown")], ON_ARM, OK, "Built for linux/arm64; the tasks are ARM64."),
        ([ARM], ON_X86, REFUSE, "Build the image for linux/amd64, or set runtimePlatform."),
        ([INTEL], ON_ARM, REFUSE, "Build the image for linux/arm64, or set runtimePlatform."),
        ([("linux", "386")], ON_X86, OK, "Built for linux/386"),
        ([INTEL], ON_WINDOWS, REFUSE, "Build the image for windows/amd64"),
        ([("windows", "amd64")], ON_WINDOWS, OK, "Built for windows/amd64"),
        ([("linux", "aarch64")], ON_ARM, OK, "Built for linux/arm64"),
        ([ARM], ON_INSTANCES, OK, "Built for linux/arm64. The definition names no runtimePlatform"),
        ([], ON_X86, OK, "Not stated by the image. The tasks are X86_64."),
    ],
)
def test_the_platforms_of_an_index_are_held_against_the_tasks(
    ecr_says: dict[str, Any], platforms: list[tuple[str, str]], asked: Asked, level: str, told: str
) -> None:
    ecr_says["batch_get_image"] = image_index(*platforms)
    one = architecture_check(SCOPE, "app", f"{REPOSITORY}:v1", IMAGE, asked)
    assert (one.level, told in one.text) == (level, True), one.text


def test_fargate_takes_x86_64_where_nothing_is_said_and_instances_take_what_they_are() -> None:
    assert Asked.of({}, is_fargate=True) == ON_X86
    assert Asked.of({}, is_fargate=False) == ON_INSTANCES
    windows = {"cpuArchitecture": "X86_64", "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}
    assert Asked.of({"runtimePlatform": windows}, is_fargate=False) == ON_WINDOWS


def of_image(tag: str, **more: Any) -> Definition:
    return definition(container={"image": f"{REPOSITORY}:{tag}"}, **more)


def test_a_single_manifest_is_judged_by_the_images_configuration(shop: Rig) -> None:
    arm = {"runtimePlatform": {"cpuArchitecture": "ARM64"}}
    for tag in ("v2-arch", "v3-arm64"):
        shop.push(tag)
        level, text = check(shop, "architecture-app", of_image(tag))
        assert (level, "Built for linux/arm64, and the tasks are X86_64" in text) == (REFUSE, True)
        assert check(shop, "architecture-app", of_image(tag, **arm))[0] == OK
    assert check(shop, "architecture-app") == (OK, "Built for linux/amd64; the tasks are X86_64.")
    assert check(shop, "architecture-app", definition(**arm))[0] == REFUSE


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("access-denied", "it answered 400"),
        ("outage", "it answered 503"),
        ("reset", "the connection broke off"),
    ],
)
def test_a_configuration_that_does_not_come_is_said_and_not_asked_for_at_each_key(
    shop: Rig, kind: str, told: str
) -> None:
    shop.sandbox.faults.add(kind, service="s3", count=1)
    for _ in range(2):
        level, text = check(shop, "architecture-app")
        assert (
            level,
            f"the image's configuration could not be downloaded from 127.0.0.1: {told}" in text,
        ) == (WARN, True), text
    assert check(shop, "image-app")[0] == OK
    gathering.answers.clear()
    assert check(shop, "architecture-app")[0] == OK


def test_a_slow_download_costs_only_its_own_check(shop: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    found(shop, definition())
    gathering.answers.clear()
    monkeypatch.setattr(downloads, "SECONDS", 0.2)
    shop.sandbox.faults.add("latency", service="s3", milliseconds=800, count=1)
    checks = found(shop, definition())
    assert "no answer in time" in checks["architecture-app"].text
    assert [checks[name].level for name in ("image-app", "architecture-app", "expiry-app")] == [OK, WARN, OK]


def test_what_was_changed_on_its_way_is_not_believed(shop: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws.ecr.fetch", lambda *_, **__: b'{"os": "linux", "architecture": "amd64"}')
    level, text = check(shop, "architecture-app")
    assert (level, "its sha256 differs" in text) == (WARN, True)


@pytest.mark.parametrize("body", [b"# Helm", b"[]", b"{}"])
def test_what_is_no_configuration_states_nothing(ecr_says: dict[str, Any], body: bytes) -> None:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    ecr_says["batch_get_image"] = manifest({"config": {"digest": digest}, "layers": []})
    ecr_says["get_download_url_for_layer"] = {"downloadUrl": "https://layers.example/config"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aws.ecr.fetch", lambda *_, **__: body)
        one = architecture_check(SCOPE, "app", f"{REPOSITORY}:v1", IMAGE, ON_X86)
    assert (one.level, one.text) == (OK, "Not stated by the image. The tasks are X86_64.")


def test_critical_findings_of_a_scan_are_warned_of() -> None:
    scanned = ImageTag("v1", "sha256:1", None, None, critical=2)
    assert scan_check("app", scanned).level == WARN
    assert "2 critical findings" in scan_check("app", scanned).text
    assert scan_check("app", IMAGE).level == OK


def test_an_untagged_image_that_a_policy_expires_is_warned_of(ecr_says: dict[str, Any]) -> None:
    rules = [{"selection": {"tagStatus": "untagged"}}]
    ecr_says["get_lifecycle_policy"] = {"lifecyclePolicyText": json.dumps({"rules": rules})}
    untagged = ImageTag("", IMAGE.digest, None, None)
    assert expiry_check(SCOPE, "app", f"{REPOSITORY}@{IMAGE.digest}", untagged).level == WARN
    assert expiry_check(SCOPE, "app", f"{REPOSITORY}:v1", IMAGE).level == OK


# What cannot be looked at

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


# What it costs


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


# Churn


def test_a_rolling_one_moves_between_its_bounds(shop: Rig) -> None:
    shop.service.desired_count = shop.service.running_count = 4
    churn = churn_of(shop.service, {"minimumHealthyPercent": 50, "maximumPercent": 150})
    shown = {key: churn[key] for key in ("tasks_started", "tasks_stopped", "lowest", "peak", "extra")}
    assert shown == {"tasks_started": 4, "tasks_stopped": 4, "lowest": 2, "peak": 6, "extra": 2}
    assert not churn["can_deadlock"]


def test_blue_green_runs_everything_twice(shop: Rig) -> None:
    churn = churn_of(shop.service, {"strategy": "BLUE_GREEN"})
    assert (churn["peak"], churn["lowest"], churn["extra"]) == (4, 2, 2)


def test_rounding_deadlocks_a_single_task(shop: Rig) -> None:
    shop.service.desired_count = 1
    bounds = {"minimumHealthyPercent": 51, "maximumPercent": 149}
    assert churn_of(shop.service, bounds)["can_deadlock"]
    assert not churn_of(shop.service, {**bounds, "strategy": "CANARY"})["can_deadlock"]


def test_scope_stays_the_readers_in_another_region() -> None:
    scope = Scope("1", "us-east-1", "read", "deploy", "id")
    assert scope.in_region("eu-west-1") == Scope("1", "eu-west-1", "read", "deploy", "id")
