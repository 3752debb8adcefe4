"""Risk cues of a change that waits: short facts that an approver should not have to look for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.models import Service, ServiceDeployment
from clusters.service_view import breaker_of, primary_of
from clusters.status import Status
from deployments.image_reference import parse
from deployments.models import Change, Kind
from deployments.plans import WARN

GOOD, BAD, PLAIN = "steady", "degraded", "zero"
FAILED = frozenset({"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A fact with its tone: steady, degraded or zero."""

    tone: str
    text: str


def cues_of(change: Change, deployments: Sequence[ServiceDeployment]) -> list[Cue]:
    """Return the cues of a change, given the newest service deployments of its service; what worries first."""
    service = change.service
    cues = [*service_cues(service), *breaker_cues(change, service), *image_cues(change, deployments)]
    if change.kind == Kind.SCALE and change.spec.get("desired_count") == 0:
        cues.append(Cue(BAD, "Scales to zero"))
    said = {cue.text for cue in cues}
    cues += [cue for cue in check_cues(change.plan.get("checks") or []) if cue.text not in said]
    return sorted(cues, key=lambda cue: (BAD, PLAIN, GOOD).index(cue.tone))


def service_cues(service: Service) -> list[Cue]:
    if service.status == Status.UNKNOWN:
        return [Cue(PLAIN, "Its figures are not current")]
    cues = []
    if service.status in (Status.FAILED, Status.DEGRADED):
        cues.append(Cue(BAD, f"Service is {Status(service.status).label.lower()} now"))
    if primary_of(service.facts).get("rolloutState") == "IN_PROGRESS":
        cues.append(Cue(BAD, "A rollout is in progress"))
    return cues


def breaker_cues(change: Change, service: Service) -> list[Cue]:
    if change.kind not in (Kind.DEPLOY, Kind.RESTART):
        return []
    breaker = breaker_of(service.facts, {})
    if not breaker.is_on:
        return [Cue(BAD, "Circuit breaker off")]
    return [
        Cue(GOOD, "Circuit breaker on")
        if breaker.rolls_back
        else Cue(BAD, "Circuit breaker does not roll back")
    ]


def image_cues(change: Change, deployments: Sequence[ServiceDeployment]) -> list[Cue]:
    """Say of each new image whether it ran here, failed here, or never came."""
    cues = []
    for image in images_of(change.spec):
        version = parse(image).version
        statuses = {found.status for found in deployments if has_image(found.images, image)}
        if statuses & FAILED:
            cues.append(Cue(BAD, f"{version} failed here before"))
        elif "SUCCESSFUL" in statuses:
            cues.append(Cue(GOOD, f"{version} ran here before"))
        else:
            cues.append(Cue(BAD, f"First deploy of {version} here"))
    return cues


def images_of(spec: Mapping[str, Any]) -> list[str]:
    containers: Iterable[Mapping[str, Any]] = (spec.get("containers") or {}).values()
    return [str(item["image"]) for item in containers if item.get("image")]


def has_image(images: Iterable[Mapping[str, Any]], wanted: str) -> bool:
    """Whether a deployment ran an image, by its digest where both have one."""
    digest = parse(wanted).digest
    return any(
        item.get("image") == wanted or (bool(digest) and item.get("digest") == digest) for item in images
    )


def check_cues(checks: Iterable[Mapping[str, Any]]) -> list[Cue]:
    """Return the warnings that the requester saw, by their titles."""
    covered = {"circuit-breaker", "scale-to-zero", "data-age"}
    return [
        Cue(BAD, str(check["title"]))
        for check in checks
        if check.get("level") == WARN and check.get("id") not in covered
    ]
