"""Whether a description differs from the last one, told by a hash without what changes all the time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings

from clusters.masking import derived_key, mask

Item = Mapping[str, Any]
# Events are kept in rows of their own; a task's version and connectivity move without anything else moving.
NOISE = {
    "service": frozenset({"events"}),
    "task": frozenset({"version", "connectivityAt"}),
    "cluster": frozenset({"statistics"}),
    "service-deployment": frozenset({"updatedAt"}),
    "task-definition": frozenset[str](),
    "service-revision": frozenset[str](),
}


def without_noise(kind: str, item: Item) -> dict[str, Any]:
    """Return a description without the fields that say nothing about its state."""
    noise = NOISE[kind]
    return {key: value for key, value in item.items() if key not in noise}


def state_hash(kind: str, item: Item) -> str:
    """Return the hash of a description as ECS gave it.

    Keyed, because what is hashed holds the values that the facts leave out.
    """
    body = orjson.dumps(without_noise(kind, item), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(body, digest_size=16, key=derived_key(settings.SECRET_KEY)).hexdigest()


def as_facts(kind: str, item: Item) -> dict[str, Any]:
    """Return a description to keep: masked, without noise, times as ISO strings."""
    facts: dict[str, Any] = orjson.loads(orjson.dumps(mask(without_noise(kind, item))))
    return facts


def rollout_key(item: Item) -> str:
    """Return what identifies the state of a service's rollout; it moves when there is a deployment to read."""
    parts = [
        (deployment.get("id"), deployment.get("status"), deployment.get("rolloutState"))
        for deployment in item.get("deployments") or []
    ]
    body = orjson.dumps([item.get("currentServiceDeployment"), parts])
    return hashlib.blake2b(body, digest_size=8).hexdigest()
