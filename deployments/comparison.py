"""What differs between two service deployments: task definition, service, deployment configuration, image digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clusters.diff import Group, diff_definitions, diff_group
from clusters.masking import mask
from clusters.models import ServiceDeployment, ServiceRevision, TaskDefinition
from deployments.image_reference import parse

# They name the revision and say nothing about what it is set to; images have a table of their own.
IDENTITY = frozenset(
    {"serviceRevisionArn", "serviceArn", "clusterArn", "taskDefinition", "containerImages", "createdAt"}
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, with what is known of it."""

    deployment: ServiceDeployment
    revision: ServiceRevision | None
    definition: TaskDefinition | None

    @property
    def settings(self) -> dict[str, Any]:
        """Return what the service was set to at this deployment."""
        facts = self.revision.facts if self.revision else {}
        return {key: value for key, value in mask(facts).items() if key not in IDENTITY}

    @property
    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = mask(self.deployment.facts.get("deploymentConfiguration") or {})
        return found

    @property
    def lacks(self) -> list[str]:
        """Say what ECS had forgotten before the console read it."""
        name = self.deployment.task_definition_arn.rsplit("/", 1)[-1]
        missing = []
        if self.definition is None or not self.definition.facts.get("containerDefinitions"):
            missing.append(f"the task definition {name}" if name else "the task definition")
        if self.revision is None or not self.revision.facts:
            missing.append("the service revision")
        return missing


@dataclass(frozen=True, slots=True)
class ImagePair:
    """The image of one container on both sides, and what to make of it."""

    container: str
    old: str
    new: str
    old_digest: str
    new_digest: str
    remark: str
    tone: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Two deployments beside each other."""

    definition: list[Group]
    service: list[Group]
    images: list[ImagePair]
    missing: list[str]

    @property
    def changed_count(self) -> int:
        return sum(group.changed_count for group in [*self.definition, *self.service])

    @property
    def is_same(self) -> bool:
        """Whether nothing differs as far as everything is known: without digests nobody can say that of images."""
        same_images = bool(self.images) and all(
            pair.old_digest and pair.old_digest == pair.new_digest for pair in self.images
        )
        return same_images and not (self.changed_count or self.missing)


def sides_of(old: ServiceDeployment, new: ServiceDeployment) -> tuple[Side, Side]:
    """Read what is known of both, in two queries."""
    pair = (old, new)
    revisions = {
        row.arn: row
        for row in ServiceRevision.objects.filter(arn__in=[row.target_revision_arn for row in pair])
    }
    definitions = {
        row.arn: row
        for row in TaskDefinition.objects.filter(arn__in=[row.task_definition_arn for row in pair])
    }
    first, second = (
        Side(row, revisions.get(row.target_revision_arn), definitions.get(row.task_definition_arn))
        for row in pair
    )
    return first, second


def compare(old: Side, new: Side) -> Compared:
    """Compare two sides; what is not known of one of them is said and not shown as a difference."""
    missing = [
        f"Of {label} {' and '.join(side.lacks)} {'is' if len(side.lacks) == 1 else 'are'} not known: "
        "ECS had forgotten before it was read."
        for label, side in (("the first", old), ("the second", new))
        if side.lacks
    ]
    definition: list[Group] = []
    if has_definition(old) and has_definition(new):
        definition = diff_definitions(mask(facts_of(old.definition)), mask(facts_of(new.definition)))
    service: list[Group] = []
    if old.settings and new.settings:
        service.append(diff_group("Service revision", "task", old.settings, new.settings))
    if old.configuration and new.configuration:
        service.append(diff_group("Deployment configuration", "task", old.configuration, new.configuration))
    return Compared(definition, service, pair_images(old.deployment, new.deployment), missing)


def has_definition(side: Side) -> bool:
    return bool(facts_of(side.definition).get("containerDefinitions"))


def facts_of(definition: TaskDefinition | None) -> Mapping[str, Any]:
    return definition.facts if definition else {}


def pair_images(old: ServiceDeployment, new: ServiceDeployment) -> list[ImagePair]:
    """Pair the images by container, in the order of the newer side."""
    before, after = images_by_container(old), images_by_container(new)
    names = [*after, *(name for name in before if name not in after)]
    return [pair_of(name, before.get(name), after.get(name)) for name in names]


def images_by_container(deployment: ServiceDeployment) -> dict[str, tuple[str, str]]:
    return {
        str(item.get("container", "")): (
            str(item.get("image", "")),
            str(item.get("digest") or parse(str(item.get("image", ""))).digest),
        )
        for item in deployment.images
    }


def pair_of(name: str, old: tuple[str, str] | None, new: tuple[str, str] | None) -> ImagePair:
    old_image, old_digest = old or ("", "")
    new_image, new_digest = new or ("", "")
    if old is None:
        remark, tone = "new container", "degraded"
    elif new is None:
        remark, tone = "container removed", "degraded"
    else:
        remark, tone = remark_on(old_image, old_digest, new_image, new_digest)
    return ImagePair(name, old_image, new_image, old_digest, new_digest, remark, tone)


def remark_on(old: str, old_digest: str, new: str, new_digest: str) -> tuple[str, str]:
    """Say what two images have to do with each other; a tag that moved is easily taken for no change at all."""
    if not (old_digest and new_digest):
        same = "same reference, digest not known" if old == new else "another image, digest not known"
        return same, "stale"
    if old_digest == new_digest:
        return ("same digest", "steady") if old == new else ("same digest under another reference", "steady")
    if old == new:
        return "the tag moved: same reference, another digest", "degraded"
    return "another digest", "deploying"
