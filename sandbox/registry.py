"""Container images in moto's ECR: finding what a reference means, and filling repositories with a past."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from sandbox.images import architecture_of
from sandbox.ports import Image

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com/(?P<repository>[\w./-]+?)"
    r"(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry:
    """ECR of every account and region.

    Without `strict` a tag that ECR does not have is pushed when it is first asked for, so that a world can be built
    without Docker; tags with `-missing` never exist.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict

    def find(self, reference: str, now: datetime) -> Image | None:
        """Return the image behind a reference, None when its registry does not have it."""
        found = _ECR.fullmatch(reference)
        if found is None:
            return _public_image(reference)
        repository = _backend(found["account"], found["region"]).repositories.get(found["repository"])
        tag, digest = found["tag"] or "", found["digest"] or ""
        if not tag and not digest:
            tag = "latest"
        for image in repository.images if repository is not None else []:
            if (not digest or image.image_digest == digest) and (not tag or tag in image.image_tags):
                return Image(
                    reference, image.image_digest, datetime.fromtimestamp(image.image_pushed_at, UTC)
                )
        if self.strict or digest or "-missing" in tag:
            return None
        pushed = self.push(found["account"], found["region"], found["repository"], tag, at=now)
        return Image(reference, pushed.digest, pushed.pushed_at)

    def push(
        self, account_id: str, region: str, repository: str, tag: str, *, at: datetime, megabytes: int = 84
    ) -> Image:
        """Put an image into a repository, which is made where it is not there; its digest follows from its name."""
        from sandbox.pushed import PushedImage

        backend = _backend(account_id, region)
        if repository not in backend.repositories:
            backend.create_repository(repository, None, None, None, None, [])
            backend.repositories[repository].created_at = at.replace(tzinfo=None)
        reference = f"{account_id}.dkr.ecr.{region}.amazonaws.com/{repository}:{tag}"
        configuration = configuration_of(reference)
        manifest = manifest_of(reference, configuration, megabytes)
        image = PushedImage(account_id, tag, manifest, repository, _MANIFEST_TYPE, digest_of(manifest))
        image.configuration = configuration
        image.image_pushed_at = int(at.timestamp())
        images = backend.repositories[repository].images
        for other in images:
            other.remove_tag(tag)
        images.append(image)
        return Image(reference, image.image_digest, at)


def has_repository(account_id: str, region: str, repository: str) -> bool:
    return repository in _backend(account_id, region).repositories


def find_configuration(account_id: str, region: str, repository: str, digest: str) -> bytes | None:
    """Return the configuration of a pushed image by its digest, None where there is no such one."""
    found = _backend(account_id, region).repositories.get(repository)
    # Images that a client put into moto itself have none.
    configurations = [getattr(image, "configuration", b"") for image in found.images] if found else []
    return next((item for item in configurations if item and digest_of(item) == digest), None)


def configuration_of(reference: str) -> bytes:
    """Return what an image says of itself, as builders write it; its label tells it from others built alike."""
    labels = {"org.opencontainers.image.ref.name": reference}
    document = {
        "architecture": architecture_of(reference),
        "os": "linux",
        "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(reference + "#layer")]},
    }
    return json.dumps(document).encode()


def manifest_of(reference: str, configuration: bytes, megabytes: int) -> str:
    config = {"mediaType": _CONFIG_TYPE, "digest": digest_of(configuration), "size": len(configuration)}
    layer = {
        "mediaType": _LAYER_TYPE,
        "digest": digest_of(reference + "#layer"),
        "size": megabytes * 1_048_576,
    }
    return json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST_TYPE, "config": config, "layers": [layer]})


def digest_of(content: str | bytes) -> str:
    return "sha256:" + hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _public_image(reference: str) -> Image | None:
    if "-missing" in reference:
        return None
    name, _, digest = reference.partition("@")
    return Image(reference, digest or digest_of(name))


def _backend(account_id: str, region: str) -> Any:
    from moto.ecr.models import ecr_backends

    return ecr_backends[account_id][region]
