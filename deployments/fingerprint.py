"""Fingerprints: what exactly was asked, and of what exactly the service consisted when it was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from clusters.service_view import primary_of

Base = dict[str, Any]
LABELS = {
    "service": "the service",
    "task_definition": "the PRIMARY task definition",
    "revisions": "the service revisions in use",
    "deployment_configuration": "the deployment configuration",
    "desired_count": "the desired count",
    "bounds": "the autoscaler's bounds",
    "service_deployment": "the service deployment in flight",
    "task": "the task",
}


def canonical_json(value: Any) -> bytes:
    """Return the one byte string that stands for a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256_of(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def without_seals(spec: Any) -> Any:
    """Return a spec whose sealed values stand as fingerprints: sealing the same value twice gives two texts."""
    if isinstance(spec, Mapping):
        return {key: without_seals(value) for key, value in spec.items() if key != "sealed"}
    return [without_seals(item) for item in spec] if isinstance(spec, list) else spec


def spec_sha256(kind: str, spec: Mapping[str, Any]) -> str:
    return sha256_of({"kind": kind, "spec": without_seals(spec)})


def service_base(facts: Mapping[str, Any]) -> Base:
    """Return what a rollout builds upon; counts are left out because they move by themselves."""
    return {
        "service": facts.get("serviceArn", ""),
        "task_definition": primary_of(facts).get("taskDefinition") or facts.get("taskDefinition", ""),
        "revisions": sorted(item.get("arn", "") for item in facts.get("currentServiceRevisions") or []),
        "deployment_configuration": facts.get("deploymentConfiguration") or {},
    }


def scale_base(facts: Mapping[str, Any]) -> Base:
    """Return what scaling builds upon: the count above all; revisions come and go without touching it."""
    base = service_base(facts)
    del base["revisions"]
    return {**base, "desired_count": facts.get("desiredCount", 0)}


def what_moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say in one sentence which parts of the base differ, with both values where they are short."""
    parts = [describe_move(key, old.get(key), new.get(key)) for key in LABELS if old.get(key) != new.get(key)]
    return f"Since this was asked, {' and '.join(parts)} changed." if parts else ""


def describe_move(key: str, old: Any, new: Any) -> str:
    if key in ("task_definition", "desired_count", "service_deployment"):
        before, after = (str(value).rsplit("/", 1)[-1] or "none" for value in (old, new))
        return f"{LABELS[key]} ({before} to {after})"
    return LABELS[key]
