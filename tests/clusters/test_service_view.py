from __future__ import annotations

from typing import Any

import pytest

from clusters.service_view import (
    breaker_of,
    configuration_of,
    deployment_facts,
    outgoing_of,
    placement_words,
    primary_of,
    revision_names,
    strategy_words,
)
from clusters.spans import parse_time, spell


def facts(**deployment: Any) -> dict[str, Any]:
    return {"deploymentConfiguration": deployment}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Rolling"),
        (facts(minimumHealthyPercent=75, maximumPercent=125), "Rolling, 75% to 125%"),
        (
            facts(strategy="BLUE_GREEN", minimumHealthyPercent=100, maximumPercent=200),
            "Blue/green, 100% to 200%",
        ),
        (facts(strategy="NEWER_THAN_US"), "NEWER_THAN_US"),
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "By CODE_DEPLOY"),
    ],
)
def test_strategy_in_words(given: dict[str, Any], words: str) -> None:
    assert strategy_words(given) == words


def test_breaker_counts_against_its_threshold() -> None:
    breaker = breaker_of(
        facts(deploymentCircuitBreaker={"enable": True, "rollback": True}),
        {"deploymentCircuitBreaker": {"failureCount": 4, "threshold": 6}},
    )
    assert breaker.words == "On, rolls back"
    assert breaker.left == 2
    assert breaker.cells == ["fail"] * 4 + ["slot"] * 2


def test_breaker_that_is_off_or_uncounted_draws_no_fuse() -> None:
    assert breaker_of({}, {}).words.startswith("Off")
    assert breaker_of(facts(deploymentCircuitBreaker={"enable": True}), {}).cells == []
    on = facts(deploymentCircuitBreaker={"enable": True})
    counted = {"deploymentCircuitBreaker": {"failureCount": 9, "threshold": 3}}
    assert breaker_of(on, counted).cells == ["fail"] * 3
    # ECS counts on when the breaker is off; the count then leads to nothing.
    assert breaker_of({}, counted).cells == []
    assert breaker_of(on, {"deploymentCircuitBreaker": {"failureCount": 3, "threshold": 200}}).cells == []


def test_the_two_sides_of_a_rollout() -> None:
    deployments = [
        {"status": "PRIMARY", "taskDefinition": "…/app:214", "rolloutState": "IN_PROGRESS"},
        {"status": "ACTIVE", "taskDefinition": "…/app:212", "createdAt": "2026-03-10T00:00:00+00:00"},
        {"status": "ACTIVE", "taskDefinition": "…/app:213", "createdAt": "2026-03-11T00:00:00+00:00"},
    ]
    given = {"deployments": deployments}
    assert revision_names(given) == (":213", ":214")
    assert ("AWS state", "PRIMARY, IN_PROGRESS") in deployment_facts(given, breaker_of({}, {}))


def test_a_service_without_anything_is_described_without_complaint() -> None:
    assert primary_of({}) == {}
    assert outgoing_of({}) == {}
    assert revision_names({}) == ("", "")
    sections = {section.title: section for section in configuration_of({})}
    assert sections["Load balancers"].pairs == []
    assert sections["Load balancers"].empty
    assert deployment_facts({"deployments": [{"status": "PRIMARY"}]}, breaker_of({}, {}))[0] == (
        "AWS state",
        "PRIMARY",
    )


def test_every_setting_is_readable() -> None:
    given = {
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": ["s-1", "s-2"], "assignPublicIp": "DISABLED"}
        },
        "loadBalancers": [{"targetGroupArn": "arn:tg", "containerName": "app", "containerPort": 8080}],
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 1}],
        "enableExecuteCommand": True,
        "tags": [{"key": "team", "value": "shop"}],
        "placementConstraints": [{"type": "distinctInstance"}],
    }
    pairs = {pair for section in configuration_of(given) for pair in section.pairs}
    assert ("Subnets", "s-1, s-2") in pairs
    assert ("app:8080", "arn:tg") in pairs
    assert ("ECS Exec", "on") in pairs
    assert ("team", "shop") in pairs
    assert ("Constraint", "distinctInstance") in pairs
    assert placement_words(given) == "FARGATE_SPOT (weight 3, base 1)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (160, "2 min 40 s"),
        (120, "2 min"),
        (11_100, "3 h 5 min"),
        (90_000, "1 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert spell(seconds) == words


@pytest.mark.parametrize("value", [None, "", "yesterday", 5])
def test_what_is_no_time_is_none(value: object) -> None:
    assert parse_time(value) is None
