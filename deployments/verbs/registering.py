"""Registering a fresh revision that bears the change's tag, by which it is found again after a lost answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws import ecs
from clusters.masking import mask_definition
from deployments import attempts, task_definitions
from deployments.attempts import Call
from deployments.models import Attempt
from deployments.running import Next, Run

REGISTER = "register"
Document = dict[str, Any]


def register(run: Run, definition: Mapping[str, Any], tags: Iterable[Mapping[str, str]]) -> str | Next:
    """Return the ARN of our revision of this definition, registering it unless it was."""
    attempt = attempts.once(run, register_call(run, definition, tags))
    if isinstance(attempt, Next):
        return attempt
    arn = str(attempt.response["task_definition_arn"])
    run.remember(registered_arn=arn)
    return arn


def register_call(run: Run, definition: Mapping[str, Any], tags: Iterable[Mapping[str, str]]) -> Call:
    """Return the registration of a definition with its tags and our own."""
    params = task_definitions.register_params(definition, tags, ecs.register_input_members(), run.change.pk)

    def look(attempt: Attempt) -> Document | None:
        for item in run.gateway.newest_definitions(str(definition["family"])):
            if task_definitions.change_of(item.get("tags", [])) == str(run.change.pk):
                return {"task_definition_arn": item["taskDefinitionArn"]}
        return None

    return Call(
        REGISTER,
        "ecs:RegisterTaskDefinition",
        params,
        mask_definition(params),
        lambda answer: {"task_definition_arn": answer["taskDefinition"]["taskDefinitionArn"]},
        look,
    )
