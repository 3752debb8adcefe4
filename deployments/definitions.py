"""Task definitions as plans show them: from the inventory, else from AWS, always masked."""

from __future__ import annotations

from typing import Any

from aws import ecs
from clusters.masking import mask_definition
from clusters.models import Service, TaskDefinition
from clusters.queries import scope_of


def is_still_active(service: Service, arn: str) -> bool:
    """Ask ECS whether a task definition can be deployed: one that was ACTIVE when it was read may not be any more."""
    return bool(ecs.describe_task_definition(scope_of(service), arn).get("status") == "ACTIVE")


def masked_definition(service: Service, arn: str) -> dict[str, Any]:
    """Return a task definition with its values masked and its tags in it; one call to AWS if it was never read."""
    row = TaskDefinition.objects.filter(arn=arn).first()
    if row is not None:
        tags = [{"key": key, "value": value} for key, value in row.tags.items()]
        return {**row.facts, "status": row.status, "tags": tags}
    return mask_definition(ecs.describe_task_definition(scope_of(service), arn))
