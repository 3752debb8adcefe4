"""Risk cues of a change that waits: short facts that an approver should not have to look for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.models import Environment, Service, ServiceDeployment
from clusters.service_view import breaker_of, primary_of
from clusters.status import Status
from deployments.image_reference import parse
from deployments.models import Change, Kind
from deployments.plans import WARN
from deployments.states import State

GOOD, BAD, PLAIN = "steady", "degraded", "zero"
# To double or to half.
LARGE_STEP = 2
STAGING_READ = 300
FAILED = frozenset({"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A fact with its tone: steady, degraded or zero."""

    tone: str
    text: str


def cues_of(
    change: Change, deployments: Sequence[ServiceDeployment], elsewhere: Elsewhere | None = None
) -> list[Cue]:
    """Return the cues of a change, given the newest service deployments of its service; what worries first."""
    service = change.service
    cues = [*service_cues(service), *breaker_cues(change, service), *image_cues(change, deployments)]
    if change.kind == Kind.SCALE and change.spec.get("desired_count") == 0:
        cues.append(Cue(BAD, "Scales to zero"))
    elsewhere = elsewhere or look_elsewhere([change])
    cues += [*scale_cues(change), *rejected_cues(change, elsewhere), *staging_cues(change, elsewhere)]
    said = {cue.text for cue in cues}
    cues += [cue for cue in check_cues(change.plan.get("checks") or []) if cue.text not in said]
    return sorted(cues, key=lambda cue: (BAD, PLAIN, GOOD).index(cue.tone))


def scale_cues(change: Change) -> list[Cue]:
    """Say when a scale is a large step: to double or more, or to half or less."""
    wanted, now = change.spec.get("desired_count"), change.service.desired_count
    if change.kind != Kind.SCALE or not wanted or not now:
        return []
    if wanted >= now * LARGE_STEP or wanted * LARGE_STEP <= now:
        return [Cue(BAD, f"Large step: {now} to {wanted} tasks")]
    return []


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is known of changes beside their own rows: what was rejected before, and what ran in staging."""

    # Number of the last rejection by service and spec.
    rejected: Mapping[tuple[int, str], int]
    # Images of the latest successes in staging, by the service's name.
    staging: Mapping[str, list[list[Mapping[str, Any]]]]


def look_elsewhere(changes: Sequence[Change]) -> Elsewhere:
    """Read what the cues of changes need beside their rows, in two queries however many there are."""
    specs, names = {change.spec_sha256 for change in changes}, {change.service.name for change in changes}
    same = Change.objects.filter(spec_sha256__in=specs, state=State.REJECTED).order_by("pk")
    rejected = {(row[0], row[1]): row[2] for row in same.values_list("service_id", "spec_sha256", "pk")}
    ran = ServiceDeployment.objects.filter(
        service__name__in=names,
        service__cluster__account__environment=Environment.STAGING,
        status="SUCCESSFUL",
    )
    staging: dict[str, list[list[Mapping[str, Any]]]] = {}
    for name, images in ran.order_by("-created_at").values_list("service__name", "images")[:STAGING_READ]:
        staging.setdefault(name, []).append(images)
    return Elsewhere(rejected, staging)


def rejected_cues(change: Change, elsewhere: Elsewhere) -> list[Cue]:
    """Say that exactly this was rejected before."""
    last = elsewhere.rejected.get((change.service_id, change.spec_sha256))
    return [Cue(BAD, f"The same was rejected before, CR-{last}")] if last and last < change.pk else []


def staging_cues(change: Change, elsewhere: Elsewhere) -> list[Cue]:
    """Say of images that go to production whether they ran in staging, where a service of that name is."""
    ran = elsewhere.staging.get(change.service.name, [])
    if not ran or change.kind != Kind.DEPLOY or change.service.environment != Environment.PRODUCTION:
        return []
    cues = []
    for image in images_of(change.spec):
        has_run = any(has_version(images, image) for images in ran)
        word = "Ran in staging" if has_run else "Not run in staging"
        cues.append(Cue(GOOD if has_run else BAD, f"{word}: {parse(image).version}"))
    return cues


def has_version(images: Iterable[Mapping[str, Any]], wanted: str) -> bool:
    """Whether images have a digest, or a repository's name and a tag, in common: registries differ by account."""
    asked = parse(wanted)
    for item in images:
        seen = parse(str(item.get("image", "")))
        if asked.digest and item.get("digest") == asked.digest:
            return True
        if asked.version == seen.version and base_name(wanted) == base_name(str(item.get("image", ""))):
            return True
    return False


def base_name(reference: str) -> str:
    return reference.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]


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
    """Return the warnings that the requester saw, by their titles; a freeze by what it does."""
    covered = {"circuit-breaker", "scale-to-zero", "data-age"}
    return [
        Cue(BAD, first_clause(check["text"]) if check.get("id") == "freeze" else str(check["title"]))
        for check in checks
        if check.get("level") == WARN and check.get("id") not in covered
    ]


def first_clause(text: str) -> str:
    return re.split(r"[.;](?: |$)", text, maxsplit=1)[0]
