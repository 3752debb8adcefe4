"""A composer read from fields as a browser sends them, and the definition that comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from clusters.masking import mask_definition
from clusters.models import Service
from deployments.composition import Composition, compose
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.task_definitions import apply_spec, plain_entry
from tests.builders import make_task_definition
from tests.deployments.test_deploy_spec import MASKED, PLAIN

TOKEN_ARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:splunk"
CANARY = "qcanary-line-5512"


def sent(fields: dict[str, Any]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in fields.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def read(fields: dict[str, Any], definition: dict[str, Any] = MASKED) -> Composition:
    return compose(definition, sent(fields))


def made(composition: Composition, plain: dict[str, Any] = PLAIN) -> dict[str, Any]:
    """Return the first container that AWS would be given."""
    assert not composition.errors, composition.errors
    spec = clean_deploy_spec(mask_definition(plain), composition.spec)
    container: dict[str, Any] = apply_spec(plain, spec, plain_entry)["containerDefinitions"][0]
    return container


def come_back(composition: Composition) -> dict[str, Any]:
    """Return the fields as a browser sends them after the page was shown again."""
    fields: dict[str, Any] = {}
    for container in composition.containers:
        name, logs = container.name, container.logs
        for item in container.arguments:
            fields[f"{item.key}-do.{name}"] = item.do
            fields[item.field_name] = item.text.replace("\n", "\r\n")
            fields[f"{item.key}-sealed.{name}"] = item.sealed
        fields[f"log-driver.{name}"] = logs.driver
        for option in logs.options:
            fields[f"log-do.{option.field_name}"] = option.do
            fields[f"log.{option.field_name}"] = option.typed
            fields[f"log-sealed.{option.field_name}"] = option.sealed
        for secret in logs.secrets:
            fields[f"logsecret-do.{secret.field_name}"] = secret.do
            fields[f"logsecret.{secret.field_name}"] = secret.typed
        fields[f"log-name.{name}"] = [row.name for row in logs.new_options] + ["", ""]
        fields[f"log-value.{name}"] = [row.typed for row in logs.new_options] + ["", ""]
        fields[f"log-kept.{name}"] = [row.sealed for row in logs.new_options] + ["", ""]
        fields[f"logsecret-name.{name}"] = [row.name for row in logs.new_secrets] + [""]
        fields[f"logsecret-value.{name}"] = [row.typed for row in logs.new_secrets] + [""]
    return fields


def with_logs(**configuration: Any) -> dict[str, Any]:
    """Return the plain definition with another log configuration."""
    app, *rest = PLAIN["containerDefinitions"]
    return {**PLAIN, "containerDefinitions": [{**app, "logConfiguration": configuration}, *rest]}


def refuse(composition: Composition) -> None:
    """Let the engine refuse what is asked for, and put its errors at their fields."""
    with pytest.raises(InvalidSpec) as caught:
        clean_deploy_spec(MASKED, composition.spec)
    composition.take_errors(caught.value.errors)


def seal_of(text: str) -> str:
    return str(read({"log.app.splunk-token": text}).containers[0].logs.options[0].sealed)


def described(service: Service) -> Service:
    """Let a service run a definition with a command and a log configuration that hold secrets."""
    app = {
        "name": "app",
        "image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/checkout-api:v9",
        "essential": True,
        "entryPoint": ["sh", "-c"],
        "command": ["serve", "--password", "hunter2-present"],
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "t0ken-present", "tag": "x"}},
    }
    role = {"executionRoleArn": "arn:aws:iam::111122223333:role/execution"}
    newer = make_task_definition(service, 8, facts={**role, "containerDefinitions": [mask_definition(app)]})
    service.facts["deployments"][0]["taskDefinition"] = newer.arn
    service.facts["taskDefinition"] = service.task_definition_arn = newer.arn
    service.save()
    return service
