"""Everything that a deploy may change, through RegisterTaskDefinition and one UpdateService on the sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import QueryDict

from deployments.arguments import lines_of
from deployments.composition import compose
from deployments.definitions import masked_definition
from deployments.errors import ChangeRefused
from deployments.models import Attempt, Change
from deployments.sealing import seal
from deployments.states import State
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.rig import REGION, REPOSITORY, Rig, image_spec
from tests.deployments.staged import until_paused

TARGET_GROUPS = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup"
BALANCED = [
    {
        "targetGroupArn": f"{TARGET_GROUPS}/blue/1",
        "containerName": "app",
        "containerPort": 8080,
        "advancedConfiguration": {
            "alternateTargetGroupArn": f"{TARGET_GROUPS}/green/2",
            "productionListenerRule": "arn:aws:elasticloadbalancing:us-east-1:111122223333:listener-rule/app/x/1/2/3",
            "roleArn": "arn:aws:iam::111122223333:role/ecs",
        },
    }
]
UPDATE, REGISTER = "ecs:UpdateService", "ecs:RegisterTaskDefinition"


def balance(rig: Rig) -> None:
    """Put the service behind two target groups, as blue/green needs them."""
    rig.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=BALANCED)
    rig.world.advance(300)
    rig.sync()


def registered(rig: Rig) -> dict[str, Any]:
    """Return the definition that PRIMARY runs, as AWS has it."""
    arn = rig.facts()["taskDefinition"]
    found = rig.call("DescribeTaskDefinition", taskDefinition=arn, include=["TAGS"])
    return {**found["taskDefinition"], "tags": found["tags"]}


def sent(change: Change, action: str = UPDATE) -> dict[str, Any]:
    """Return what was sent once and only once."""
    found: dict[str, Any] = Attempt.objects.get(change=change, action=action).request
    return found


def run(rig: Rig, spec: dict[str, Any], **more: Any) -> Change:
    return rig.until(rig.ask("deploy", spec), **more)


@pytest.mark.parametrize(
    ("asked", "member", "value"),
    [
        ({"cpu": 128}, "cpu", 128),
        ({"memory": 384}, "memory", 384),
        ({"memory_reservation": 256}, "memoryReservation", 256),
        ({"command": ["serve", "--fast"]}, "command", ["serve", "--fast"]),
        ({"entry_point": ["/bin/sh", "-c"]}, "entryPoint", ["/bin/sh", "-c"]),
        ({"stop_timeout": 60}, "stopTimeout", 60),
        (
            {"log_configuration": {"logDriver": "splunk", "options": {"splunk-url": "https://x"}}},
            "logConfiguration",
            {"logDriver": "splunk", "options": {"splunk-url": "https://x"}},
        ),
        (
            {"health_check": {"command": ["CMD", "true"], "interval": 10}},
            "healthCheck",
            {"command": ["CMD", "true"], "interval": 10},
        ),
    ],
)
def test_each_field_of_a_container_is_registered(
    dev_rig: Rig, asked: dict[str, Any], member: str, value: object
) -> None:
    change = run(dev_rig, {"containers": {"app": asked}})
    assert change.state == State.SUCCEEDED, change.outcome
    container = registered(dev_rig)["containerDefinitions"][0]
    assert container[member] == value
    assert container["image"] == f"{REPOSITORY}:v1"
    assert {"key": "team", "value": "shop"} in registered(dev_rig)["tags"]


def composed(rig: Rig, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the spec that the composer makes of its fields."""
    data = QueryDict(mutable=True)
    for name, value in fields.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    definition = masked_definition(rig.service, rig.service.task_definition_arn)
    composition = compose(definition, data, rig.service.facts)
    assert not composition.errors, composition.errors
    return composition.spec


def test_what_is_typed_in_the_composer_is_what_ecs_holds_and_the_rest_stays(dev_rig: Rig) -> None:
    secret = dev_rig.sandbox.surroundings.create_secret(ACCOUNT_ID, REGION, "ca", "made up")
    first = {
        "entry_point-do.app": "set",
        "entry_point.app": "sh\r\n-c",
        "command-do.app": "set",
        "command.app": '"set -e\\nexec serve"\r\n--token\r\nhunter2\r\n""',
        "log-driver.app": "splunk",
        "log-name.app": ["splunk-token", "tag"],
        "log-value.app": ["t0ken", "first"],
        "logsecret-name.app": ["splunk-ca"],
        "logsecret-value.app": [secret],
    }
    change = run(dev_rig, composed(dev_rig, first))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [REGISTER, UPDATE]
    container = registered(dev_rig)["containerDefinitions"][0]
    assert (container["entryPoint"], container["command"]) == (
        ["sh", "-c"],
        ["set -e\nexec serve", "--token", "hunter2", ""],
    )
    assert container["logConfiguration"] == {
        "logDriver": "splunk",
        "options": {"splunk-token": "t0ken", "tag": "first"},
        "secretOptions": [{"name": "splunk-ca", "valueFrom": secret}],
    }
    dev_rig.sync()
    shown = masked_definition(dev_rig.service, dev_rig.service.task_definition_arn)["containerDefinitions"][0]
    lines = lines_of([*shown["command"][:3], "--fast"])
    assert "hunter2" not in lines
    second = {"command-do.app": "set", "command.app": lines, "log-do.app.tag": "remove"}
    change = run(dev_rig, composed(dev_rig, second))
    assert change.state == State.SUCCEEDED, change.outcome
    again = registered(dev_rig)["containerDefinitions"][0]
    assert again == {
        **container,
        "command": ["set -e\nexec serve", "--token", "hunter2", "--fast"],
        "logConfiguration": {**container["logConfiguration"], "options": {"splunk-token": "t0ken"}},
    }
    assert "hunter2" not in json.dumps([change.spec, change.plan])


def test_a_command_left_as_it_is_registers_nothing_and_another_one_a_revision(dev_rig: Rig) -> None:
    run(dev_rig, {"containers": {"app": {"command": ["serve", "--password", "hunter2"]}}})
    dev_rig.sync()
    before = registered(dev_rig)
    assert composed(dev_rig, {"command-do.app": "set", "command.app": lines_of(shown_command(dev_rig))}) == {}
    with pytest.raises(ChangeRefused):
        dev_rig.ask(
            "deploy", {"containers": {"app": {"command": before["containerDefinitions"][0]["command"]}}}
        )
    change = run(dev_rig, composed(dev_rig, {"command-do.app": "remove"}))
    assert change.state == State.SUCCEEDED, change.outcome
    after = registered(dev_rig)
    assert after["revision"] == before["revision"] + 1
    assert not after["containerDefinitions"][0].get("command")


def shown_command(rig: Rig) -> list[str]:
    shown = masked_definition(rig.service, rig.service.task_definition_arn)["containerDefinitions"][0]
    words: list[str] = shown["command"]
    return words


def test_a_log_option_is_taken_away_over_the_api(dev_rig: Rig) -> None:
    options = {"splunk-url": "https://x", "splunk-token": "t0ken", "tag": "x"}
    run(dev_rig, {"containers": {"app": {"log_configuration": {"logDriver": "splunk", "options": options}}}})
    dev_rig.sync()
    gone = {"options": {"splunk-token": None, "tag": None}}
    change = run(dev_rig, {"containers": {"app": {"log_configuration": gone}}})
    assert change.state == State.SUCCEEDED, change.outcome
    container = registered(dev_rig)["containerDefinitions"][0]
    assert container["logConfiguration"]["options"] == {"splunk-url": "https://x"}


def test_any_member_is_merged_into_the_definition(dev_rig: Rig) -> None:
    limits = [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}]
    patch = {
        "containerDefinitions": [{"name": "app", "ulimits": limits}],
        "ephemeralStorage": {"sizeInGiB": 40},
    }
    change = run(dev_rig, {"definition": patch})
    assert change.state == State.SUCCEEDED, change.outcome
    definition = registered(dev_rig)
    container = definition["containerDefinitions"][0]
    assert (container["ulimits"], definition["ephemeralStorage"]) == (limits, {"sizeInGiB": 40})
    assert {item["name"]: item["value"] for item in container["environment"]} == {
        "LOG_LEVEL": "info",
        "API_TOKEN": "tok-1",
    }


def test_a_container_is_added_and_removed_by_the_definition(dev_rig: Rig) -> None:
    sidecar = {
        "name": "otel",
        "image": f"{REPOSITORY}:v1",
        "essential": False,
        "environment": [{"name": "KEY", "value": "plain-value"}],
    }
    change = run(dev_rig, {"definition": {"containerDefinitions": [sidecar]}})
    assert change.state == State.SUCCEEDED, change.outcome
    assert [item["name"] for item in registered(dev_rig)["containerDefinitions"]] == ["app", "otel"]
    assert registered(dev_rig)["containerDefinitions"][1]["environment"] == [
        {"name": "KEY", "value": "plain-value"}
    ]
    assert "plain-value" not in json.dumps([change.spec, change.plan])
    dev_rig.sync()
    change = run(dev_rig, {"definition": {"containerDefinitions": {"otel": None}}})
    assert change.state == State.SUCCEEDED, change.outcome
    assert [item["name"] for item in registered(dev_rig)["containerDefinitions"]] == ["app"]


def test_a_canary_with_bake_time_goes_out_in_one_call(dev_rig: Rig) -> None:
    balance(dev_rig)
    dev_rig.push("v2")
    configuration = {
        "strategy": "CANARY",
        "bakeTimeInMinutes": 2,
        "canaryConfiguration": {"canaryPercent": 10, "canaryBakeTimeInMinutes": 3},
    }
    spec = {**image_spec("v2"), "service": {"deploymentConfiguration": configuration}}
    plan = dev_rig.plan("deploy", spec)
    assert (plan.churn["peak"], plan.churn["lowest"]) == (4, 2)
    assert "traffic moves 10% first, waits 3 min, then the rest" in plan.churn["sentence"]
    assert [call.action for call in plan.calls] == [REGISTER, UPDATE]
    change = run(dev_rig, spec, limit=1800)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [REGISTER, UPDATE]
    whole = sent(change)["deploymentConfiguration"]
    assert whole["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}, "what was there stays"
    assert dev_rig.facts()["deploymentConfiguration"]["canaryConfiguration"]["canaryPercent"] == 10


def test_blue_green_that_pauses_waits_for_a_person(dev_rig: Rig) -> None:
    balance(dev_rig)
    hook = {
        "targetType": "PAUSE",
        "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": {"timeoutInMinutes": 90, "action": "ROLLBACK"},
    }
    dev_rig.push("v2")
    configuration = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1, "lifecycleHooks": [hook]}
    spec = {**image_spec("v2"), "service": {"deploymentConfiguration": configuration}}
    change = dev_rig.ask("deploy", spec)
    assert "It stays paused for you before production traffic moves" in change.plan["churn"]["sentence"]
    change = dev_rig.pass_time(change, 400)
    assert change.state == State.RUNNING
    assert change.progress["rollout"]["waiting_for"]["id"] == "paused_hook", change.progress["rollout"]
    assert change.deadline_at is not None
    assert (change.deadline_at - change.created_at).total_seconds() > 90 * 60, "a pause is no sign of trouble"


def test_pauses_of_the_composer_are_what_ecs_waits_by(dev_rig: Rig) -> None:
    balance(dev_rig)
    dev_rig.push("v2")
    fields = {
        "image.app": "v2",
        "svc.strategy": "BLUE_GREEN",
        "svc.bake": "0",
        "svc.pause": ["", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "svc.pause_minutes.POST_SCALE_UP": "10",
        "svc.pause_action.POST_SCALE_UP": "CONTINUE",
        "svc.pause_minutes.POST_TEST_TRAFFIC_SHIFT": "30",
        "svc.pause_minutes.PRE_PRODUCTION_TRAFFIC_SHIFT": "90",
    }
    change = dev_rig.ask("deploy", composed(dev_rig, fields))
    change = dev_rig.pass_time(change, 300)
    waits = {
        tuple(hook["lifecycleStages"]): hook["timeoutConfiguration"]
        for hook in sent(change)["deploymentConfiguration"]["lifecycleHooks"]
    }
    assert waits == {
        ("POST_SCALE_UP",): {"timeoutInMinutes": 10, "action": "CONTINUE"},
        ("POST_TEST_TRAFFIC_SHIFT",): {"timeoutInMinutes": 30, "action": "ROLLBACK"},
        ("PRE_PRODUCTION_TRAFFIC_SHIFT",): {"timeoutInMinutes": 90, "action": "ROLLBACK"},
    }
    seen = []
    for _ in waits:
        pause = until_paused(dev_rig)
        assert pause.since is not None
        assert pause.expires_at is not None
        seen.append((pause.stage, (pause.expires_at - pause.since).total_seconds() / 60))
        answer = {"serviceDeploymentArn": pause.arn, "hookId": pause.hook_id, "action": "CONTINUE"}
        dev_rig.call("ContinueServiceDeployment", **answer)
    # The stage before production traffic is one that only hooks know.
    assert seen == [
        ("POST_SCALE_UP", 10),
        ("POST_TEST_TRAFFIC_SHIFT", 30),
        ("POST_TEST_TRAFFIC_SHIFT", 90),
    ]
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome


def test_secrets_stand_nowhere_in_what_is_kept(dev_rig: Rig) -> None:
    patch = {
        "containerDefinitions": {
            "app": {
                "environment": [
                    {"name": "LOG_LEVEL", "value": {"keep": True}},
                    {"name": "API_TOKEN", "value": "canary-environment"},
                ],
                "command": ["serve", "--password", "canary-command"],
                "dockerLabels": {"api-key": "canary-label"},
                "logConfiguration": {
                    "logDriver": "splunk",
                    "options": {"splunk-token": "canary-option", "splunk-url": "https://logs.example"},
                },
            }
        }
    }
    change = dev_rig.ask("deploy", {"definition": patch})
    kept = json.dumps([change.spec, change.plan, change.base, change.title])
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    container = registered(dev_rig)["containerDefinitions"][0]
    assert container["command"][2] == "canary-command"
    assert container["dockerLabels"] == {"api-key": "canary-label"}
    assert container["logConfiguration"]["options"]["splunk-token"] == "canary-option"
    assert {item["name"]: item["value"] for item in container["environment"]} == {
        "LOG_LEVEL": "info",
        "API_TOKEN": "canary-environment",
    }
    kept += json.dumps([change.spec, change.plan, change.progress, change.outcome])
    kept += json.dumps(list(Attempt.objects.values_list("request", "response")))
    assert "canary" not in kept


def test_sealed_values_may_be_given_by_field_as_well(dev_rig: Rig) -> None:
    change = run(dev_rig, {"containers": {"app": {"environment": {"LOG_LEVEL": seal("debug")}}}})
    assert change.state == State.SUCCEEDED
    values = {
        item["name"]: item["value"] for item in registered(dev_rig)["containerDefinitions"][0]["environment"]
    }
    assert values == {"LOG_LEVEL": "debug", "API_TOKEN": "tok-1"}
