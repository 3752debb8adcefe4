"""The tags that a registry offers for a container, newest first, with what is known about each here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aws import ecr
from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import scope_of
from deployments.image_reference import Reference

TAGS_SHOWN = 30
DEPLOYMENTS_READ = 50
FAILED = frozenset({"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS", "STOPPED"})


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag on offer; `note` is "running", "ran here" or "failed here", empty when it never ran here."""

    reference: str
    name: str
    digest: str
    pushed_at: datetime | None
    size_bytes: int | None
    note: str

    @property
    def short_digest(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True)
class TagList:
    """What ECR answered, or why it did not."""

    repository: Reference
    tags: list[Tag] = field(default_factory=list)
    total: int = 0
    matching: int = 0
    error: AwsError | None = None
    reason: str = ""


def list_tags(service: Service, current: Reference, text: str) -> TagList:
    """Read the tags of a container's repository; needs ecr:DescribeImages, one call a thousand images."""
    if not current.is_ecr:
        return TagList(current, reason="Only ECR tells its tags. Type a tag or a digest below.")
    try:
        images = ecr.list_images(scope_of(service), current.repository)
    except AwsError as error:
        return TagList(current, error=error)
    notes = notes_of(service)
    wanted = [image for image in images if text.lower() in f"{image.tag} {image.digest}".lower()]
    tags = [
        Tag(
            reference=str(Reference(current.repository, image.tag, "" if image.tag else image.digest)),
            name=image.tag,
            digest=image.digest,
            pushed_at=image.pushed_at,
            size_bytes=image.size_bytes,
            note="running" if is_current(image.tag, image.digest, current) else notes.get(image.digest, ""),
        )
        for image in wanted[:TAGS_SHOWN]
    ]
    return TagList(current, tags, total=len(images), matching=len(wanted))


def is_current(tag: str, digest: str, current: Reference) -> bool:
    return digest == current.digest if current.digest else bool(tag) and tag == current.tag


def notes_of(service: Service) -> Mapping[str, str]:
    """Return what became of each digest in this service's history; a failure outweighs a success before it."""
    notes: dict[str, str] = {}
    newest = service.service_deployments.order_by("-created_at").values_list("status", "images")
    for status, images in newest[:DEPLOYMENTS_READ]:
        for image in images:
            if status in FAILED:
                notes.setdefault(str(image.get("digest")), "failed here")
            elif status == "SUCCESSFUL":
                notes.setdefault(str(image.get("digest")), "ran here")
    return notes
