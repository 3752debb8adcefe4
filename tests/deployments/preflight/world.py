"""A definition that all checks pass, and the checks of it."""

from __future__ import annotations

from typing import Any

from aws.scope import Scope
from deployments.plans import Check
from deployments.preflight import rollout_checks
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.rig import REGION, REPOSITORY, Rig

GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}:targetgroup/shop/0123456789abcdef"
Definition = dict[str, Any]
SCOPE = Scope(ACCOUNT_ID, REGION)


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


def with_secret(value_from: str) -> Definition:
    return definition(container={"secrets": [{"name": "DB", "valueFrom": value_from}]})
