"""Reads of ECR: which tags there are, whether an image is there, for what it was built, and how long it is kept."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws.calls import read
from aws.downloads import fetch
from aws.errors import AwsNotDelivered, AwsNotFound, AwsRefused
from aws.scope import Scope
from aws.sessions import reader, sessions

PRIVATE = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)/"
    r"(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
# ECR lists in no order of time, so the newest are only known when all were read; beyond this it is cut.
MOST_IMAGES = 5000
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# As kernels call what images call otherwise; some builders write it.
ALIASES = {"x86_64": "amd64", "aarch64": "arm64"}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ImageTag:
    """An image; `tag` is empty for one that is known by its digest alone."""

    tag: str
    digest: str
    pushed_at: datetime | None
    size_bytes: int | None
    # Findings of severity CRITICAL, None for an image that was not scanned.
    critical: int | None = None


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and an architecture, in the words of images: linux, arm64, v8."""

    system: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.system, self.architecture, self.variant) if part)


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
    return call_there(scope, repository, "describe_images", **params)


def call_there(scope: Scope, repository: Repository, operation: str, **params: Any) -> dict[str, Any]:
    """Call ECR where the repository is, which may be another region or account than the service's."""
    names = {"registryId": repository.account_id, "repositoryName": repository.name}
    return read(scope.in_region(repository.region), "ecr", operation, **names, **params)


def tags_of(image: dict[str, Any]) -> list[ImageTag]:
    return [image_tag(image, tag) for tag in image.get("imageTags", [])]


def image_tag(image: dict[str, Any], tag: str) -> ImageTag:
    findings = image.get("imageScanFindingsSummary")
    critical = int((findings.get("findingSeverityCounts") or {}).get("CRITICAL", 0)) if findings else None
    return ImageTag(
        tag, image["imageDigest"], image.get("imagePushedAt"), image.get("imageSizeInBytes"), critical
    )


def platforms_of(scope: Scope, reference: str, digest: str) -> list[Platform]:
    """Return for what an image was built, empty where it does not say; two calls and a download at most.

    An index names its platforms. A single manifest leaves it to the image's configuration, which ECR keeps among the
    layers and hands out by a signed URL. IAM: ecr:BatchGetImage, and ecr:GetDownloadUrlForLayer for a single manifest.
    """
    repository = known(reference)
    manifest = manifest_of(scope, repository, digest)
    if "manifests" in manifest:
        stated = [item.get("platform") or {} for item in manifest["manifests"]]
    elif config := (manifest.get("config") or {}).get("digest"):
        stated = [configuration_of(scope, repository, str(config))]
    else:
        stated = []
    # Attestations stand in an index as images of an unknown platform.
    return [platform_of(item) for item in stated if item.get("architecture") not in {None, "", "unknown"}]


def manifest_of(scope: Scope, repository: Repository, digest: str) -> dict[str, Any]:
    asked = {"imageIds": [{"imageDigest": digest}], "acceptedMediaTypes": [*INDEXES, *MANIFESTS]}
    images = call_there(scope, repository, "batch_get_image", **asked).get("images") or []
    manifest: dict[str, Any] = json.loads(images[0].get("imageManifest") or "{}") if images else {}
    return manifest


def configuration_of(scope: Scope, repository: Repository, digest: str) -> dict[str, Any]:
    """Download an image's configuration; what is no JSON object, as of things that are no images, is empty."""
    answer = call_there(scope, repository, "get_download_url_for_layer", layerDigest=digest)
    client = sessions.client(reader(scope), "ecr", repository.region)
    url = str(answer["downloadUrl"])
    body = fetch(url, what="the image's configuration", endpoint=client.meta.endpoint_url)
    if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
        raise AwsNotDelivered(
            "the image's configuration is not the one that the manifest names: its sha256 differs"
        )
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def platform_of(stated: dict[str, Any]) -> Platform:
    architecture = str(stated["architecture"])
    return Platform(
        str(stated.get("os") or ""),
        ALIASES.get(architecture, architecture),
        str(stated.get("variant") or ""),
    )


def expiry_rules(scope: Scope, reference: str) -> list[dict[str, Any]]:
    """Return the rules by which a repository forgets images, empty without a policy. IAM: ecr:GetLifecyclePolicy."""
    try:
        answer = call_there(scope, known(reference), "get_lifecycle_policy")
    except AwsNotFound:
        return []
    rules: list[dict[str, Any]] = json.loads(answer.get("lifecyclePolicyText") or "{}").get("rules") or []
    return rules
