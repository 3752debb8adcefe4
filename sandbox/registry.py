"""Container images in moto's ECR: finding what a reference means, and filling repositories with a past."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from sandbox.ports import Image

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com/(?P<repository>[\w./-]+?)"
    r"(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


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
        from moto.ecr.models import Image as MotoImage

        backend = _backend(account_id, region)
        if repository not in backend.repositories:
            backend.create_repository(repository, None, None, None, None, [])
            backend.repositories[repository].created_at = at.replace(tzinfo=None)
        reference = f"{account_id}.dkr.ecr.{region}.amazonaws.com/{repository}:{tag}"
        digest = digest_of(reference)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST_TYPE,
                "config": {"digest": digest_of(reference + "#config"), "size": megabytes * 1_048_576},
                "layers": [{"digest": digest_of(reference + "#layer"), "size": megabytes * 1_000_000}],
            }
        )
        image = MotoImage(account_id, tag, manifest, repository, _MANIFEST_TYPE, digest)
        image.image_pushed_at = int(at.timestamp())
        images = backend.repositories[repository].images
        for other in images:
            other.remove_tag(tag)
        images.append(image)
        return Image(reference, digest, at)


def digest_of(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _public_image(reference: str) -> Image | None:
    if "-missing" in reference:
        return None
    name, _, digest = reference.partition("@")
    return Image(reference, digest or digest_of(name))


def _backend(account_id: str, region: str) -> Any:
    from moto.ecr.models import ecr_backends

    return ecr_backends[account_id][region]
