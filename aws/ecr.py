"""Reads of ECR: which tags there are, and whether an image is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws.calls import read
from aws.errors import AwsNotFound, AwsRefused
from aws.scope import Scope

PRIVATE = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)/"
    r"(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
# ECR lists in no order of time, so the newest are only known when all were read; beyond this it is cut.
MOST_IMAGES = 5000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ImageTag:
    """An image; `tag` is empty for one that is known by its digest alone."""

    tag: str
    digest: str
    pushed_at: datetime | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Repository:
    """Where an image reference points in ECR."""

    account_id: str
    region: str
    name: str
    tag: str
    digest: str


def repository_of(reference: str) -> Repository | None:
    """Return where a reference points, None for an image of another registry."""
    match = PRIVATE.fullmatch(reference)
    if match is None:
        return None
    parts = match.groupdict(default="")
    return Repository(parts["account"], parts["region"], parts["name"], parts["tag"], parts["digest"])


def list_images(scope: Scope, repository_uri: str) -> list[ImageTag]:
    """List the tags of a repository, newest first. IAM: ecr:DescribeImages."""
    repository = known(repository_uri)
    tags: list[ImageTag] = []
    token = ""
    while True:
        paging = {"nextToken": token} if token else {}
        page = describe(scope, repository, filter={"tagStatus": "TAGGED"}, maxResults=1000, **paging)
        tags += [tag for image in page["imageDetails"] for tag in tags_of(image)]
        token = page.get("nextToken") or ""
        if not token or len(tags) >= MOST_IMAGES:
            return sorted(tags, key=lambda tag: tag.pushed_at or LONG_AGO, reverse=True)


def find_image(scope: Scope, reference: str) -> ImageTag | None:
    """Return the image that a reference names, None when it is not there. IAM: ecr:DescribeImages."""
    repository = known(reference)
    wanted = (
        {"imageDigest": repository.digest} if repository.digest else {"imageTag": repository.tag or "latest"}
    )
    try:
        page = describe(scope, repository, imageIds=[wanted])
    except AwsNotFound:
        return None
    image = page["imageDetails"][0]
    found = tags_of(image) or [image_tag(image, "")]
    return next((tag for tag in found if tag.tag == repository.tag), found[0])


def known(reference: str) -> Repository:
    """Return where a reference points; an image of another registry cannot be looked up."""
    repository = repository_of(reference)
    if repository is None:
        raise AwsRefused(
            f"{reference} is not in a private ECR registry, so its tags cannot be listed",
            action="ecr:DescribeImages",
            code="OtherRegistry",
            hint="Type the image with its tag or digest.",
        )
    return repository


def describe(scope: Scope, repository: Repository, **params: Any) -> dict[str, Any]:
    """Call DescribeImages where the repository is, which may be another region or account than the service's."""
    place = Scope(
        scope.account_id, repository.region, scope.role_arn, scope.deploy_role_arn, scope.external_id
    )
    return read(
        place,
        "ecr",
        "describe_images",
        registryId=repository.account_id,
        repositoryName=repository.name,
        **params,
    )


def tags_of(image: dict[str, Any]) -> list[ImageTag]:
    return [image_tag(image, tag) for tag in image.get("imageTags", [])]


def image_tag(image: dict[str, Any], tag: str) -> ImageTag:
    return ImageTag(tag, image["imageDigest"], image.get("imagePushedAt"), image.get("imageSizeInBytes"))
