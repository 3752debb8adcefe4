"""Checks of images: is it in its registry, was it built for these tasks, is it safe, will it stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws import ecr
from aws.ecr import ImageTag, Platform
from aws.errors import AwsError
from aws.scope import Scope
from clusters.models import Service
from clusters.queries import scope_of
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.capacity import on_fargate
from deployments.preflight.gathering import Look, answers, reason_of

# The words of task definitions for those of images; processors also run the 32-bit programs of their kind.
ARCHITECTURES = {"X86_64": ("amd64", "386"), "ARM64": ("arm64", "arm")}
Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """For what a definition wants its images: X86_64 or ARM64 and linux or windows, empty where instances decide."""

    architecture: str
    system: str

    @classmethod
    def of(cls, definition: Definition, *, is_fargate: bool) -> Asked:
        """Return what a definition asks for; Fargate takes X86_64 and LINUX where it says nothing."""
        runtime = definition.get("runtimePlatform") or {}
        architecture = str(runtime.get("cpuArchitecture") or ("X86_64" if is_fargate else ""))
        family = str(runtime.get("operatingSystemFamily") or "LINUX")
        return cls(architecture, "windows" if family.startswith("WINDOWS") else "linux")

    @property
    def sentence(self) -> str:
        if self.architecture:
            return f"The tasks are {self.architecture}"
        return "The definition names no runtimePlatform: the tasks go to instances of any"

    @property
    def platform(self) -> str:
        return f"{self.system}/{self.names[0]}"

    @property
    def names(self) -> tuple[str, ...]:
        return ARCHITECTURES.get(self.architecture, (self.architecture.lower(),))

    def takes(self, built: Platform) -> bool:
        return built.architecture in self.names and built.system in {self.system, ""}


def image_checks(service: Service, spec: Mapping[str, Any]) -> list[Check]:
    """Return a check for each image that a deploy asks for."""
    containers = spec.get("containers", {}).items()
    return [image_check(service, name, wanted["image"]) for name, wanted in containers if "image" in wanted]


def image_check(service: Service, container: str, reference: str) -> Check:
    """Look an image up in its registry; what cannot be looked up is said, never taken for granted."""
    return presence(scope_of(service), container, reference)[0]


def image_looks(
    scope: Scope, facts: Mapping[str, Any], definition: Definition, current: Definition
) -> Iterable[Look]:
    """Return a look at each image of a definition; one of another registry is named only where it is new."""
    known = {item.get("image") for item in current.get("containerDefinitions") or []}
    asked = Asked.of(definition, is_fargate=on_fargate(facts, definition))
    for item in definition.get("containerDefinitions") or []:
        container, reference = str(item.get("name", "")), str(item.get("image", ""))
        if ecr.repository_of(reference) is None and reference in known:
            continue
        yield Look(
            f"image-{container}",
            f"Image of {container}",
            lambda container=container, reference=reference: look_at(  # type: ignore[misc]
                scope, container, reference, asked
            ),
        )


def look_at(scope: Scope, container: str, reference: str, asked: Asked) -> list[Check]:
    """Return what is known of one image; one to four calls of ECR, and a download."""
    check, found = presence(scope, container, reference)
    if found is None:
        return [check]
    return [
        check,
        architecture_check(scope, container, reference, found, asked),
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


def architecture_check(scope: Scope, container: str, reference: str, found: ImageTag, asked: Asked) -> Check:
    """Compare what an image was built for with the definition's runtimePlatform."""
    name, title = f"architecture-{container}", f"Architecture of {container}"
    try:
        platforms = answers.get(ecr.platforms_of, scope, reference, found.digest)
    except AwsError as error:
        return Check(name, title, WARN, f"This cannot be checked: {reason_of(error)}.")
    if not platforms:
        return Check(name, title, OK, f"Not stated by the image. {asked.sentence}.")
    built = f"Built for {', '.join(sorted({str(item) for item in platforms}))}"
    if not asked.architecture:
        return Check(name, title, OK, f"{built}. {asked.sentence}.")
    if any(asked.takes(item) for item in platforms):
        return Check(name, title, OK, f"{built}; the tasks are {asked.architecture}.")
    text = (
        f"{built}, and the tasks are {asked.architecture}: no container could start."
        f" Build the image for {asked.platform}, or set runtimePlatform."
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
