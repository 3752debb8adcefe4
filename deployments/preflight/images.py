"""Checks of images: is it in its registry, was it built for these tasks, is it safe, will it stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws import ecr
from aws.ecr import ImageTag
from aws.errors import AwsError
from aws.scope import Scope
from clusters.models import Service
from clusters.queries import scope_of
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.gathering import Look, answers, reason_of

# The words of task definitions for those of images.
ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
Definition = Mapping[str, Any]


def image_checks(service: Service, spec: Mapping[str, Any]) -> list[Check]:
    """Return a check for each image that a deploy asks for."""
    containers = spec.get("containers", {}).items()
    return [image_check(service, name, wanted["image"]) for name, wanted in containers if "image" in wanted]


def image_check(service: Service, container: str, reference: str) -> Check:
    """Look an image up in its registry; what cannot be looked up is said, never taken for granted."""
    return presence(scope_of(service), container, reference)[0]


def image_looks(scope: Scope, definition: Definition, current: Definition) -> Iterable[Look]:
    """Return a look at each image of a definition; one of another registry is named only where it is new."""
    known = {item.get("image") for item in current.get("containerDefinitions") or []}
    for item in definition.get("containerDefinitions") or []:
        container, reference = str(item.get("name", "")), str(item.get("image", ""))
        if ecr.repository_of(reference) is None and reference in known:
            continue
        yield Look(
            f"image-{container}",
            f"Image of {container}",
            lambda container=container, reference=reference: look_at(  # type: ignore[misc]
                scope, container, reference, definition
            ),
        )


def look_at(scope: Scope, container: str, reference: str, definition: Definition) -> list[Check]:
    """Return what is known of one image; one to three calls of ECR."""
    check, found = presence(scope, container, reference)
    if found is None:
        return [check]
    return [
        check,
        architecture_check(scope, container, reference, found, definition),
        scan_check(container, found),
        expiry_check(scope, container, reference, found),
    ]


def presence(scope: Scope, container: str, reference: str) -> tuple[Check, ImageTag | None]:
    name, title = f"image-{container}", f"Image of {container}"
    if ecr.repository_of(reference) is None:
        text = f"{reference} cannot be checked: it is not in a private ECR registry."
        return Check(name, title, WARN, text), None
    try:
        found = answers.get(ecr.find_image, scope, reference)
    except AwsError as error:
        return Check(name, title, WARN, f"{reference} cannot be checked: {reason_of(error)}."), None
    if found is None:
        text = f"{reference} is not in ECR: no task could start. Push it, or choose a tag that is there."
        return Check(name, title, REFUSE, text), None
    if "@" in reference:
        return Check(name, title, OK, f"In ECR, pinned to {found.digest[:19]}."), found
    text = (
        f"In ECR as {found.digest[:19]}; ECS pins the tag to the digest it finds when the deployment begins."
    )
    return Check(name, title, OK, text), found


def architecture_check(
    scope: Scope, container: str, reference: str, found: ImageTag, definition: Definition
) -> Check:
    """Compare what an image was built for with the definition's runtimePlatform."""
    name, title = f"architecture-{container}", f"Architecture of {container}"
    asked = str((definition.get("runtimePlatform") or {}).get("cpuArchitecture") or "X86_64")
    try:
        platforms = answers.get(ecr.platforms_of, scope, reference, found.digest)
    except AwsError as error:
        return Check(name, title, WARN, f"This cannot be checked: {reason_of(error)}.")
    built = sorted({item.architecture for item in platforms})
    if not built:
        text = f"Not stated by the image: a single manifest names none. The tasks are {asked}."
        return Check(name, title, OK, text)
    if ARCHITECTURES.get(asked, asked.lower()) in built:
        return Check(name, title, OK, f"Built for {', '.join(built)}; the tasks are {asked}.")
    text = (
        f"Built for {', '.join(built)}, and the tasks are {asked}: no container could start."
        " Build the image for it, or set runtimePlatform.cpuArchitecture."
    )
    return Check(name, title, REFUSE, text)


def scan_check(container: str, found: ImageTag) -> Check:
    name, title = f"scan-{container}", f"Scan of {container}"
    if found.critical is None:
        return Check(name, title, OK, "ECR has no scan of this image.")
    if found.critical:
        findings = f"{found.critical} critical finding{'' if found.critical == 1 else 's'}"
        return Check(name, title, WARN, f"ECR's scan has {findings}: read them before this goes out.")
    return Check(name, title, OK, "ECR's scan has no critical finding.")


def expiry_check(scope: Scope, container: str, reference: str, found: ImageTag) -> Check:
    """Say whether ECR may forget the image while tasks still need it to be replaced."""
    name, title = f"expiry-{container}", f"Keeping of {container}"
    try:
        rules = answers.get(ecr.expiry_rules, scope, reference)
    except AwsError as error:
        return Check(name, title, WARN, f"This cannot be checked: {reason_of(error)}.")
    selected = {str((rule.get("selection") or {}).get("tagStatus")) for rule in rules}
    if not found.tag and selected & {"untagged", "any"}:
        text = (
            "The image has no tag, and the repository's lifecycle policy expires such images: once it is gone, no"
            " task of this deployment can be replaced. Give the digest a tag that the policy keeps."
        )
        return Check(name, title, WARN, text)
    if not rules:
        return Check(name, title, OK, "The repository has no lifecycle policy: the image stays.")
    text = "The repository has a lifecycle policy. Keep images for as long as tasks of them run."
    return Check(name, title, OK, text)
