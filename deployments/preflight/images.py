"""Checks of images: is what is asked for in its registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws import ecr
from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import scope_of
from deployments.plans import OK, REFUSE, WARN, Check


def image_checks(service: Service, spec: Mapping[str, Any]) -> list[Check]:
    """Return a check for each image that a deploy asks for."""
    containers = spec.get("containers", {}).items()
    return [image_check(service, name, wanted["image"]) for name, wanted in containers if "image" in wanted]


def image_check(service: Service, container: str, reference: str) -> Check:
    """Look an image up in its registry; what cannot be looked up is said, never taken for granted."""
    name, title = f"image-{container}", f"Image of {container}"
    if ecr.repository_of(reference) is None:
        return Check(
            name, title, WARN, f"{reference} cannot be checked: it is not in a private ECR registry."
        )
    try:
        found = ecr.find_image(scope_of(service), reference)
    except AwsError as error:
        return Check(name, title, WARN, f"{reference} cannot be checked: {error}")
    if found is None:
        return Check(name, title, REFUSE, f"{reference} is not in ECR: no task could start.")
    if "@" in reference:
        return Check(name, title, OK, f"In ECR, pinned to {found.digest[:19]}.")
    text = (
        f"In ECR as {found.digest[:19]}; ECS pins the tag to the digest it finds when the deployment begins."
    )
    return Check(name, title, OK, text)
