"""Checks of logging: will the containers' output be kept, and can the driver start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws import logs
from aws.scope import Scope
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.gathering import Look, answers

TITLE = "Log group"
CREATES = "awslogs-create-group"


def awslogs(definition: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return the containers that log to CloudWatch with the options of their driver."""
    found = []
    for item in definition.get("containerDefinitions") or []:
        settings = item.get("logConfiguration") or {}
        if settings.get("logDriver") == "awslogs":
            found.append((str(item.get("name", "")), settings.get("options") or {}))
    return found


def log_checks(definition: Mapping[str, Any]) -> list[Check]:
    """Return what can be said of logging without asking AWS."""
    containers = definition.get("containerDefinitions") or []
    silent = [str(item.get("name", "")) for item in containers if not item.get("logConfiguration")]
    if silent:
        text = f"{', '.join(silent)} has no log configuration: on Fargate its output is lost."
        return [Check("log-configuration", "Log configuration", WARN, text)]
    return [Check("log-configuration", "Log configuration", OK, "Each container has a log driver.")]


def log_looks(scope: Scope, definition: Mapping[str, Any]) -> Iterable[Look]:
    """Return a look at each log group; one call each, whichever containers share it."""
    seen: set[tuple[str, str]] = set()
    for container, options in awslogs(definition):
        place = (options.get("awslogs-group", ""), options.get("awslogs-region", ""))
        if place in seen:
            continue
        seen.add(place)
        name = f"log-group-{container}"
        yield Look(
            name,
            f"{TITLE} of {container}",
            lambda name=name, container=container, options=options: [  # type: ignore[misc]
                group_check(scope, name, container, options)
            ],
        )


def group_check(scope: Scope, name: str, container: str, options: Mapping[str, str]) -> Check:
    """Say whether a log group is there or will be made."""
    title, group = f"{TITLE} of {container}", options.get("awslogs-group", "")
    region = options.get("awslogs-region") or scope.region
    if not group:
        return Check(name, title, REFUSE, "The awslogs driver has no awslogs-group: no task could start.")
    if not logs.is_region(region):
        text = f"awslogs-region {region} is no region that CloudWatch Logs is known in: no task could start."
        return Check(name, title, REFUSE, text)
    elsewhere = "" if region == scope.region else f" in {region}, which is not the service's region,"
    if answers.get(logs.has_group, scope.in_region(region), group):
        return Check(name, title, OK if not elsewhere else WARN, f"{group} exists{elsewhere.rstrip(',')}.")
    if str(options.get(CREATES, "")).lower() == "true":
        text = f"{group} does not exist{elsewhere} and is made at start. The execution role needs logs:CreateLogGroup."
        return Check(name, title, WARN, text)
    text = f"{group} does not exist{elsewhere} and {CREATES} is off: no task could start. Create it first."
    return Check(name, title, REFUSE, text)
