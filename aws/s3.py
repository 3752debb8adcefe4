"""A place in S3 where things are written once and kept: the bucket needs Object Lock."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws.calls import call
from aws.errors import AwsConflict, AwsRefused
from aws.scope import Scope
from aws.sessions import Identity


@dataclass(frozen=True, slots=True)
class Place:
    """A prefix in a bucket, and who writes there; without a role the console's own credentials do."""

    bucket: str
    prefix: str
    region: str
    identity: Identity = field(default_factory=Identity)

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def put_once(place: Place, name: str, body: bytes, *, mode: str, keep_until: datetime) -> None:
    """Write an object that nobody can delete or replace before a date; AwsConflict when the name is taken.

    IAM: s3:PutObject, s3:PutObjectRetention.
    """
    params = {
        "Bucket": place.bucket,
        "Key": place.key(name),
        "Body": body,
        "ContentType": "application/x-ndjson",
        # S3 wants a checksum with every locked object, and refuses what was damaged on the way.
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        "ObjectLockMode": mode,
        "ObjectLockRetainUntilDate": keep_until,
        "IfNoneMatch": "*",
    }
    try:
        _call(place, "put_object", params, is_write=True)
    except AwsRefused as error:
        if error.code != "PreconditionFailed":
            raise
        raise AwsConflict(
            f"{place.key(name)} is there already",
            action=error.action,
            code=error.code,
            request_id=error.request_id,
        ) from error


def read_object(place: Place, name: str) -> bytes:
    """Read an object; AwsNotFound when there is none. IAM: s3:GetObject."""
    answer = _call(place, "get_object", {"Bucket": place.bucket, "Key": place.key(name)})
    body: bytes = answer["Body"].read()
    return body


def list_names(place: Place, folder: str) -> list[str]:
    """List the names under a folder of the place, in order. IAM: s3:ListBucket."""
    names: list[str] = []
    token = ""
    start = place.key("")
    while True:
        paging = {"ContinuationToken": token} if token else {}
        wanted = {"Bucket": place.bucket, "Prefix": place.key(folder)}
        page = _call(place, "list_objects_v2", {**wanted, **paging})
        names += [item["Key"].removeprefix(start) for item in page.get("Contents", [])]
        token = page.get("NextContinuationToken", "")
        if not token:
            return names


def _call(place: Place, operation: str, params: dict[str, Any], *, is_write: bool = False) -> dict[str, Any]:
    return call(place.identity, Scope("", place.region), "s3", operation, params, is_write=is_write)
