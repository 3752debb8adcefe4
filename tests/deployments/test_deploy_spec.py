"""Specs of deploys: one form, nothing dropped, and every mistake at its field."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws import shapes
from clusters.masking import mask_definition
from deployments import service_settings
from deployments.definition_text import document_of, patch_between
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.fingerprint import without_seals
from deployments.rollout_story import story_of, waits_of
from deployments.sealing import seal
from deployments.service_settings import update_params
from deployments.task_definitions import apply_spec, is_same, masked_entry, plain_entry

PLAIN: dict[str, Any] = {
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7",
    "family": "web",
    "revision": 7,
    "status": "ACTIVE",
    "cpu": "256",
    "memory": "512",
    "networkMode": "awsvpc",
    "runtimePlatform": {"cpuArchitecture": "ARM64"},
    "aMemberOfNextYear": {"deep": [1]},
    "tags": [{"key": "team", "value": "shop"}, {"key": "ecsconsole:change", "value": "3"}],
    "containerDefinitions": [
        {
            "name": "app",
            "image": "shop/web:v1",
            "memory": 512,
            "command": ["serve", "--password", "hunter2"],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "secrets": [{"name": "S", "valueFrom": "arn:s"}],
            "logConfiguration": {
                "logDriver": "splunk",
                "options": {"splunk-token": "t0ken", "splunk-url": "u"},
            },
        },
        {"name": "sidecar", "image": "otel:1", "essential": False},
    ],
}
MASKED = mask_definition(PLAIN)
FACTS: dict[str, Any] = {
    "launchType": "FARGATE",
    "platformVersion": "LATEST",
    "enableExecuteCommand": False,
    "deploymentConfiguration": {
        "strategy": "ROLLING",
        "minimumHealthyPercent": 100,
        "maximumPercent": 200,
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    },
}


def errors_of(spec: dict[str, Any], facts: dict[str, Any] = FACTS) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        clean_deploy_spec(MASKED, spec, facts)
    return caught.value.errors


def test_a_whole_document_is_kept_as_what_differs() -> None:
    edited = document_of(MASKED)
    app = edited["containerDefinitions"][0]
    app["image"] = "shop/web:v2"
    app["ulimits"] = [{"name": "nofile", "softLimit": 1, "hardLimit": 2}]
    app["logConfiguration"]["options"]["splunk-url"] = "other"
    app["environment"] = [{"name": "A", "value": {"keep": True}}, {"name": "C", "value": "three"}]
    del edited["runtimePlatform"]
    cleaned = clean_deploy_spec(MASKED, {"definition": patch_between(document_of(MASKED), edited)}, FACTS)
    assert cleaned["definition"] == {
        "runtimePlatform": None,
        "containerDefinitions": {
            "app": {"ulimits": app["ulimits"], "logConfiguration": {"options": {"splunk-url": "other"}}}
        },
    }
    fields = cleaned["containers"]["app"]
    assert (fields["image"], fields["environment"]["B"]) == ("shop/web:v2", None)
    assert "three" not in json.dumps(cleaned)
    made = apply_spec(PLAIN, cleaned, plain_entry)
    container = made["containerDefinitions"][0]
    assert container["logConfiguration"]["options"] == {"splunk-token": "t0ken", "splunk-url": "other"}
    assert container["command"] == ["serve", "--password", "hunter2"]
    assert container["environment"] == [{"name": "A", "value": "1"}, {"name": "C", "value": "three"}]
    assert made["aMemberOfNextYear"] == {"deep": [1]}
    assert "runtimePlatform" not in made


@pytest.mark.parametrize(
    ("spec", "field", "says"),
    [
        ({"container": {}}, "container", "Did you mean containers?"),
        ({"definition": []}, "definition", "an object"),
        ({"definition": {"family": "other"}}, "definition.family", "in the family web"),
        ({"definition": {"netwrokMode": "host"}}, "definition.netwrokMode", "Did you mean networkMode?"),
        (
            {"definition": {"containerDefinitions": [{"name": "app", "ulimits": [{"name": "nofile"}]}]}},
            "definition.containerDefinitions.app.ulimits[0]",
            "lacks softLimit",
        ),
        (
            {"definition": {"containerDefinitions": {"app": {"command": ["serve", "masked:0a1b2c3d"]}}}},
            "definition.containerDefinitions.app.command[1]",
            "type the value",
        ),
        (
            {
                "definition": {
                    "containerDefinitions": {"app": {"environment": [{"name": "N", "value": {"keep": True}}]}}
                }
            },
            "definition.containerDefinitions.app.environment.N",
            "no value that could be kept",
        ),
        (
            {"definition": {"containerDefinitions": {"app": {"dockerLabels": {"x": {"sealed": "forged"}}}}}},
            "definition",
            "was not sealed",
        ),
        (
            {
                "containers": {"app": {"image": "a:1"}},
                "definition": {"containerDefinitions": {"app": {"image": "a:2"}}},
            },
            "app.image",
            "Two different",
        ),
        ({"containers": {"app": {"comand": []}}}, "app.comand", "Did you mean command?"),
        ({"containers": {"app": {"command": "serve"}}}, "app.command", "a list here"),
        ({"definition": {"containerDefinitions": {"app": {"image": None}}}}, "app.image", "needs an image"),
        (
            {"service": {"platfromVersion": "1.4.0"}},
            "service.platfromVersion",
            "Did you mean platformVersion?",
        ),
        ({"service": {"desiredCount": 3}}, "service.desiredCount", "not changed by a deploy"),
        (
            {"service": {"deploymentConfiguration": {"strategy": "RED_GREEN"}}},
            "service.deploymentConfiguration.strategy",
            "is one of ROLLING",
        ),
        (
            {"service": {"deploymentConfiguration": {"strategy": "CANARY"}}},
            "service.deploymentConfiguration.strategy",
            "no load balancer",
        ),
        (
            {"service": {"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}},
            "service.deploymentConfiguration.bakeTimeInMinutes",
            "needs a bake time",
        ),
        (
            {
                "service": {
                    "deploymentConfiguration": {
                        "lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}]
                    }
                }
            },
            "service.deploymentConfiguration.lifecycleHooks",
            "choose another strategy",
        ),
        (
            {
                "service": {
                    "deploymentConfiguration": {
                        "strategy": "BLUE_GREEN",
                        "bakeTimeInMinutes": 5,
                        "lifecycleHooks": [
                            {"targetType": "PAUSE", "lifecycleStages": ["PRODUCTION_TRAFFIC_SHIFT"]}
                        ],
                    }
                }
            },
            "service.deploymentConfiguration.lifecycleHooks[0].lifecycleStages",
            "does not pause",
        ),
        (
            {"service": {"deploymentConfiguration": {"maximumPercent": 100}}},
            "service.deploymentConfiguration.maximumPercent",
            "neither stop nor start",
        ),
        (
            {
                "service": {
                    "deploymentConfiguration": {
                        "alarms": {"enable": True, "rollback": True, "alarmNames": []}
                    }
                }
            },
            "service.deploymentConfiguration.alarms.alarmNames",
            "at least one",
        ),
        (
            {"service": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}},
            "service.forceNewDeployment",
            "forced",
        ),
        (
            {
                "service": {
                    "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}],
                    "forceNewDeployment": True,
                }
            },
            "service.capacityProviderStrategy",
            "a weight above 0",
        ),
        ({"service": {"enableExecuteCommand": "yes"}}, "service.enableExecuteCommand", "true or false"),
    ],
)
def test_a_mistake_is_named_at_its_field(spec: dict[str, Any], field: str, says: str) -> None:
    found = errors_of(spec)
    assert says in found.get(field, ""), found


def test_blue_green_behind_a_load_balancer_needs_its_second_target_group() -> None:
    facts = {
        **FACTS,
        "loadBalancers": [{"targetGroupArn": "arn:a", "containerName": "app", "containerPort": 1}],
    }
    asked = {"deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}}
    assert (
        "alternateTargetGroupArn"
        in errors_of({"service": asked}, facts)["service.deploymentConfiguration.strategy"]
    )


def test_a_platform_version_is_for_fargate_only() -> None:
    facts = {**FACTS, "launchType": "EC2", "platformVersion": None}
    assert "service.platformVersion" in errors_of({"service": {"platformVersion": "1.4.0"}}, facts)


def test_leaving_a_strategy_leaves_what_belongs_to_it() -> None:
    configuration = {
        "strategy": "CANARY",
        "bakeTimeInMinutes": 5,
        "canaryConfiguration": {"canaryPercent": 10.0},
        "lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}],
    }
    asked = {"service": {"deploymentConfiguration": {"strategy": "ROLLING"}}}
    cleaned = clean_deploy_spec(MASKED, asked, {**FACTS, "deploymentConfiguration": configuration})
    assert update_params(configuration, cleaned["service"])["deploymentConfiguration"] == {
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 5,
        "lifecycleHooks": [],
    }


def test_what_begins_a_deployment_is_what_the_sdk_says() -> None:
    members = shapes.input_shape("UpdateService").members
    begins = {
        name
        for name, member in members.items()
        if "triggers a new service deployment" in member.documentation
    }
    assert begins - {"taskDefinition"} == service_settings.BEGINS - {service_settings.FORCE}


def test_the_story_is_one_that_people_understand() -> None:
    hook = {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
    story = story_of({"strategy": "LINEAR", "bakeTimeInMinutes": 30, "lifecycleHooks": [hook]})
    assert story == (
        "A second full set of tasks starts beside the first; traffic moves in steps of 10%, 6 min apart;"
        " the old tasks stay 30 min more as the way back."
        " It stays paused for you when test traffic has moved (POST_TEST_TRAFFIC_SHIFT), and rolls back after 24 h."
    )


def test_the_story_tells_each_pause() -> None:
    hooks = [
        {
            "targetType": "PAUSE",
            "lifecycleStages": ["POST_SCALE_UP"],
            "timeoutConfiguration": {"timeoutInMinutes": 30, "action": "CONTINUE"},
        },
        {"targetType": "PAUSE", "lifecycleStages": ["POST_PRODUCTION_TRAFFIC_SHIFT"]},
    ]
    assert story_of({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": hooks}).endswith(
        "It stays paused for you when the new tasks run (POST_SCALE_UP), and goes on after 30 min;"
        " when production traffic has moved (POST_PRODUCTION_TRAFFIC_SHIFT), and rolls back after 24 h."
    )


def test_a_pause_before_each_step_is_told_and_waited_for_as_often() -> None:
    hook = {
        "targetType": "PAUSE",
        "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": {"timeoutInMinutes": 30},
    }
    linear = {"linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 2}}
    configuration = {"strategy": "LINEAR", "lifecycleHooks": [hook], **linear}
    assert "before each step of production traffic (PRE_PRODUCTION_TRAFFIC_SHIFT)" in story_of(configuration)
    assert waits_of(configuration) == timedelta(minutes=3 * 2 + 4 * 30)
    assert waits_of({"strategy": "BLUE_GREEN", "lifecycleHooks": [hook]}) == timedelta(minutes=30)


names = st.sampled_from(["A", "B", "C", "D"])
values = st.one_of(st.none(), st.text("abc-", max_size=5).map(seal))
fields = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(["shop/web:v1", "shop/web:v2"]),
        "cpu": st.one_of(st.none(), st.integers(0, 4096)),
        "memory": st.one_of(st.none(), st.integers(4, 4096)),
        "environment": st.dictionaries(names, values, max_size=3),
        "secrets": st.dictionaries(
            names, st.one_of(st.none(), st.sampled_from(["arn:s", "arn:t"])), max_size=3
        ),
        "command": st.lists(st.sampled_from(["serve", "--password", "s3cret", "-v"]), max_size=4),
        "docker_labels": st.dictionaries(
            st.sampled_from(["team", "api-key"]), st.text("abc-", max_size=5), max_size=2
        ),
        "readonly_root_filesystem": st.booleans(),
    },
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "networkMode": st.sampled_from(["awsvpc", "host"]),
        "ephemeralStorage": st.one_of(st.none(), st.integers(21, 200).map(lambda size: {"sizeInGiB": size})),
        "runtimePlatform": st.one_of(st.none(), st.just({"operatingSystemFamily": "LINUX"})),
        "containerDefinitions": st.fixed_dictionaries(
            {},
            optional={
                "sidecar": st.sampled_from([{"privileged": True}, {"stopTimeout": 5}, None]),
                "new": st.sampled_from([{"image": "otel:2", "privileged": True}, {"image": "otel:3"}]),
            },
        ),
    },
)
settings = st.fixed_dictionaries(
    {},
    optional={
        "enableExecuteCommand": st.booleans(),
        "platformVersion": st.sampled_from(["LATEST", "1.4.0"]),
        "deploymentConfiguration": st.fixed_dictionaries(
            {}, optional={"minimumHealthyPercent": st.integers(0, 100)}
        ),
    },
)


@given(st.dictionaries(st.just("app"), fields), parts, settings)
def test_a_cleaned_spec_cleans_to_itself_applies_once_and_drops_nothing(
    containers: dict[str, Any], definition: dict[str, Any], service: dict[str, Any]
) -> None:
    asked = {"containers": containers, "definition": definition, "service": service}
    cleaned = clean_deploy_spec(MASKED, asked, FACTS)
    assert without_seals(clean_deploy_spec(MASKED, cleaned, FACTS)) == without_seals(cleaned)
    made = apply_spec(PLAIN, cleaned, plain_entry)
    assert is_same(apply_spec(made, cleaned, plain_entry), made)
    assert is_same(mask_definition(made), apply_spec(MASKED, cleaned, masked_entry)), (
        "the plan shows what is made"
    )
    assert clean_deploy_spec(mask_definition(made), {**cleaned, "service": {}}, FACTS) == {}
    assert bool(cleaned.keys() - {"service"}) != is_same(PLAIN, made)
    touched = {key for key in definition if key != "containerDefinitions"}
    for key in PLAIN.keys() - touched - {"containerDefinitions"}:
        assert made[key] == PLAIN[key]
    for container in PLAIN["containerDefinitions"]:
        now = next((item for item in made["containerDefinitions"] if item["name"] == container["name"]), None)
        if now is None:
            assert definition["containerDefinitions"][container["name"]] is None
            continue
        assert set(container) - set(now) <= {"memory", "cpu", "environment", "secrets", "command"}
        assert now.get("logConfiguration") == container.get("logConfiguration")
