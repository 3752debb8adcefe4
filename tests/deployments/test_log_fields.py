"""Log driver, options and secret options in the composer."""

from __future__ import annotations

import pytest

from clusters.masking import mask_definition
from tests.deployments.composed import (
    CANARY,
    TOKEN_ARN,
    come_back,
    made,
    read,
    refuse,
    with_logs,
)


def test_log_options_are_set_added_and_removed_and_the_rest_stays() -> None:
    plain = with_logs(
        logDriver="splunk",
        options={"splunk-token": "t0ken", "splunk-url": "u", "tag": "x"},
        secretOptions=[{"name": "a", "valueFrom": "arn:a"}, {"name": "b", "valueFrom": "arn:b"}],
    )
    fields = {
        "log-do.app.splunk-url": "set",
        "log.app.splunk-url": "https://logs.example",
        "log-do.app.tag": "remove",
        "log-name.app": ["splunk-index"],
        "log-value.app": ["main"],
        "logsecret-do.app.a": "remove",
        "logsecret-do.app.b": "set",
        "logsecret.app.b": TOKEN_ARN,
        "logsecret-name.app": ["c"],
        "logsecret-value.app": ["arn:c"],
    }
    composition = read(fields, mask_definition(plain))
    assert composition.containers[0].changes == "6 log options changed"
    assert made(composition, plain)["logConfiguration"] == {
        "logDriver": "splunk",
        "options": {
            "splunk-token": "t0ken",
            "splunk-url": "https://logs.example",
            "splunk-index": "main",
        },
        "secretOptions": [{"name": "b", "valueFrom": TOKEN_ARN}, {"name": "c", "valueFrom": "arn:c"}],
    }


def test_another_driver_leaves_behind_the_options_named_after_the_old_one() -> None:
    plain = with_logs(
        logDriver="splunk",
        options={"splunk-token": "t0ken", "mode": "non-blocking"},
        secretOptions=[{"name": "splunk-ca", "valueFrom": "arn:a"}],
    )
    fields = {
        "log-driver.app": "awslogs",
        "log-name.app": ["awslogs-group", "awslogs-region"],
        "log-value.app": ["/ecs/app", "eu-central-1"],
    }
    assert made(read(fields, mask_definition(plain)), plain)["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {"mode": "non-blocking", "awslogs-group": "/ecs/app", "awslogs-region": "eu-central-1"},
    }


def test_a_log_configuration_is_added_where_none_is_and_taken_away() -> None:
    fields = {
        "log-driver.sidecar": "awslogs",
        "log-name.sidecar": "awslogs-group",
        "log-value.sidecar": "/ecs/x",
    }
    assert read(fields).spec["containers"]["sidecar"]["log_configuration"] == {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/x"},
    }
    assert "logConfiguration" not in made(read({"log-driver.app": ""}))


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"log-name.sidecar": "tag", "log-value.sidecar": "x"}, "log-driver.sidecar", "need a log driver"),
        ({"log-driver.app": "", "log.app.splunk-url": "x"}, "log-driver.app", "need a log driver"),
        ({"log-do.app.splunk-url": "set"}, "log.app.splunk-url", "Give a value"),
        ({"log.app.splunk-url": "masked:0a1b2c3d"}, "log.app.splunk-url", "type the value"),
        ({"log-name.app": "splunk-url", "log-value.app": "x"}, "log.app.splunk-url", "exists already"),
        ({"log-name.app": "tag"}, "log.app.tag", "Give a value"),
        ({"log-name.app": "", "log-value.app": "x"}, "log.app.", "A name is missing"),
        ({"logsecret-name.app": "tag"}, "log.app.tag", "Name the secret"),
        ({"logsecret-name.app": "splunk-url", "logsecret-value.app": "a"}, "log.app.splunk-url", "exists"),
    ],
)
def test_a_mistake_in_log_options_stands_at_its_row(fields: dict[str, str], key: str, says: str) -> None:
    assert says in read(fields).errors[key]


def test_a_driver_that_ecs_does_not_know_is_said_at_the_driver() -> None:
    composition = read({"log-driver.app": "carrier-pigeon"})
    refuse(composition)
    assert "awslogs" in composition.containers[0].logs.error


def test_typed_log_options_that_are_secret_come_back_sealed() -> None:
    fields = {
        "log.app.splunk-token": CANARY,
        "log.app.splunk-url": "u2",
        "log-name.app": ["api-key", "tag"],
        "log-value.app": [CANARY, "plain"],
    }
    first = read(fields)
    assert CANARY not in str(first)
    again = read(come_back(first))
    assert CANARY not in str(again)
    assert made(again)["logConfiguration"]["options"] == {
        "splunk-token": CANARY,
        "splunk-url": "u2",
        "api-key": CANARY,
        "tag": "plain",
    }
