"""What a deploy's spec makes of a task definition."""

from __future__ import annotations

from typing import Any

import pytest

from aws.ecs import register_input_members
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.sealing import seal
from deployments.task_definitions import apply_spec, is_same, plain_entry, register_params

DEFINITION: dict[str, Any] = {
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7",
    "family": "web",
    "revision": 7,
    "status": "ACTIVE",
    "registeredBy": "arn:aws:iam::111122223333:role/x",
    "compatibilities": ["FARGATE"],
    "requiresAttributes": [{"name": "x"}],
    "deleteRequestedAt": "then",
    "somethingAwsAddsNextYear": True,
    "cpu": "256",
    "memory": "512",
    "volumes": [],
    "pidMode": "task",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "shop/web:v1",
            "memory": 512,
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "secrets": [{"name": "S", "valueFrom": "arn:s"}],
        },
        {"name": "sidecar", "image": "otel:1"},
    ],
}


def test_register_sends_only_what_the_sdk_takes_and_keeps_tags_beside() -> None:
    tags = [
        {"key": "team", "value": "shop"},
        {"key": "ecsconsole:change", "value": "3"},
        {"key": "aws:x", "value": "y"},
    ]
    params = register_params(DEFINITION, tags, register_input_members(), 12)
    assert set(params) == {"family", "cpu", "memory", "pidMode", "containerDefinitions", "tags"}
    assert params["tags"] == [
        {"key": "team", "value": "shop"},
        {"key": "ecsconsole:change", "value": "12"},
    ]


def test_spec_changes_only_what_it_names() -> None:
    spec = {
        "containers": {
            "app": {
                "image": "shop/web:v2",
                "memory": None,
                "memory_reservation": 256,
                "environment": {"A": seal("one"), "B": None, "C": seal("three")},
                "secrets": {"S": None, "T": "arn:t"},
            }
        },
        "task": {"cpu": "512"},
    }
    changed = apply_spec(DEFINITION, spec, plain_entry)
    assert changed["containerDefinitions"][0] == {
        "name": "app",
        "image": "shop/web:v2",
        "memoryReservation": 256,
        "environment": [{"name": "A", "value": "one"}, {"name": "C", "value": "three"}],
        "secrets": [{"name": "T", "valueFrom": "arn:t"}],
    }
    assert changed["containerDefinitions"][1] == DEFINITION["containerDefinitions"][1]
    assert (changed["cpu"], changed["memory"]) == ("512", "512")
    assert DEFINITION["containerDefinitions"][0]["image"] == "shop/web:v1", "the original stays as it is"


def test_empty_members_are_no_difference() -> None:
    assert is_same({"a": 1, "volumes": [], "x": {"y": None}}, {"a": 1})
    assert not is_same({"a": 1}, {"a": 2})


def test_spec_that_says_what_is_there_already_is_empty() -> None:
    masked = {**DEFINITION, "containerDefinitions": [dict(DEFINITION["containerDefinitions"][0])]}
    entry = seal("1")
    masked["containerDefinitions"][0]["environment"] = [{"name": "A", "fingerprint": entry["fingerprint"]}]
    asked = {
        "containers": {
            "app": {"image": "shop/web:v1", "memory": 512, "environment": {"A": entry, "GONE": None}}
        },
        "task": {"cpu": "256"},
    }
    assert clean_deploy_spec(masked, asked) == {}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": {"nope": {"image": "a:b"}}}, "nope"),
        ({"containers": {"app": {"image": "not an image"}}}, "app.image"),
        ({"containers": {"app": {"memory": "lots"}}}, "app.memory"),
        ({"containers": {"app": {"memory": 1}}}, "app.memory"),
        ({"containers": {"app": {"environment": {"A": "plain"}}}}, "app.environment.A"),
        ({"containers": {"app": {"environment": {"A=B": None}}}}, "app.environment"),
        ({"containers": {"app": {"secrets": {"S": " "}}}}, "app.secrets.S"),
        ({"task": {"cpu": "half"}}, "task.cpu"),
    ],
)
def test_spec_that_cannot_be_meant_names_the_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        clean_deploy_spec(DEFINITION, spec)
    assert field in caught.value.errors
