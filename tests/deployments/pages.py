"""What the tests of the pages share: a registry without a network, and addresses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from aws import autoscaling, calls, ecr, ecs
from aws.ecr import ImageTag
from clusters.models import Service, Task
from tests.builders import (
    make_account,
    make_cluster,
    make_service,
    make_service_deployment,
    make_task_definition,
)

REPOSITORY = "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/checkout-api"


class Registry:
    """ECR with a few tags; `error` makes it fail."""

    def __init__(self) -> None:
        now = timezone.now()
        self.error: Exception | None = None
        self.images = [
            ImageTag(
                f"v{number}", "sha256:" + f"{number:02d}" * 32, now - timedelta(days=9 - number), 48_000_000
            )
            for number in (9, 8, 7, 6)
        ]

    def list_images(self, scope: object, repository_uri: str) -> list[ImageTag]:
        if self.error:
            raise self.error
        return self.images

    def find_image(self, scope: object, reference: str) -> ImageTag | None:
        if self.error:
            raise self.error
        return next((image for image in self.images if reference.endswith((image.tag, image.digest))), None)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Put a registry in the place of ECR."""
    found = Registry()
    monkeypatch.setattr(ecr, "list_images", found.list_images)
    monkeypatch.setattr(ecr, "find_image", found.find_image)
    # Nobody scales the services of these pages.
    monkeypatch.setattr(autoscaling, "bounds", lambda *_: None)
    monkeypatch.setattr(autoscaling, "describe", lambda *_: None)
    monkeypatch.setattr(ecs, "task_protection", lambda *_: [])
    monkeypatch.setattr(ecr, "platforms_of", lambda *_: [])
    monkeypatch.setattr(ecr, "expiry_rules", lambda *_: [])
    # Nothing else of AWS is there, and that is found out at once.
    monkeypatch.setattr(calls, "ATTEMPTS", 1)
    return found


def deployable(environment: str = "production", **fields: object) -> Service:
    """Return a service that runs revision 7 of a known definition and once ran revision 6."""
    name = str(fields.pop("name", "checkout-api"))
    cluster = make_cluster(f"{environment}-core", make_account(environment))
    facts = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}}
    given = fields.pop("facts", {})
    assert isinstance(given, dict)
    service = make_service(name, cluster, facts={**facts, **given}, **fields)
    role = {"executionRoleArn": f"arn:aws:iam::{cluster.account.account_id}:role/execution"}
    make_task_definition(service, 7, facts=role)
    old = make_task_definition(service, 6, facts=role)
    make_service_deployment(
        service, task_definition_arn=old.arn, created_at=timezone.now() - timedelta(days=2)
    )
    make_service_deployment(service)
    return service


def at(view: str, service: Service) -> str:
    return reverse(view, args=service.url_args)


def task_at(view: str, task: Task) -> str:
    cluster = task.cluster
    return reverse(view, args=[cluster.account.account_id, cluster.region, cluster.name, task.task_id])
