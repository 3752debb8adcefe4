"""What can be returned to: a service revision that succeeded, and whether what ran then can run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws import ecr, ecs
from aws.errors import AwsError
from clusters.masking import mask
from clusters.models import Service, ServiceDeployment, ServiceRevision
from clusters.queries import scope_of
from deployments.definitions import is_still_active, masked_definition
from deployments.fingerprint import sha256_of
from deployments.image_reference import parse
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.revisions import changes_to, config_of

Document = dict[str, Any]
SUCCESSFUL = "SUCCESSFUL"


@dataclass(frozen=True, slots=True)
class ImageThen:
    """An image of a revision: what ran then, and what its tag names now."""

    container: str
    image: str
    # The digest that ECS pinned it to when that deployment began; empty where it recorded none.
    digest: str
    # What ECR says now; None where the image cannot be looked up, with the reason in `problem`.
    has_digest: bool | None = None
    tag_digest: str = ""
    problem: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether the definition itself names the digest."""
        return "@" in self.image

    @property
    def has_moved(self) -> bool:
        """Whether the definition, deployed now, would run something else than ran then, although that is still there."""
        return bool(self.has_digest and not self.is_pinned and self.tag_digest != self.digest)


def by_digest(image: str, digest: str) -> str:
    """Return an image by the digest that ran, where ECS recorded one."""
    return image if not digest or "@" in image else f"{parse(image).repository}@{digest}"


def images_then(service: Service, target: ServiceDeployment) -> list[ImageThen]:
    """Look up the images of a past deployment by their digests, and what their tags name now; two calls for each."""
    return [
        image_then(service, str(item.get("container", "")), str(item.get("image", "")), digest_of(item))
        for item in target.images
    ]


def digest_of(item: Mapping[str, Any]) -> str:
    return str(item.get("digest") or "") or parse(str(item.get("image", ""))).digest


def image_then(service: Service, container: str, image: str, digest: str) -> ImageThen:
    if ecr.repository_of(image) is None:
        return ImageThen(container, image, digest, problem="it is not in a private ECR registry")
    if not digest:
        return ImageThen(container, image, digest, problem="ECS recorded no digest of it")
    scope = scope_of(service)
    try:
        has_digest = ecr.find_image(scope, by_digest(image, digest)) is not None
        tagged = None if "@" in image else ecr.find_image(scope, image)
    except AwsError as error:
        return ImageThen(container, image, digest, problem=str(error))
    return ImageThen(container, image, digest, has_digest, tagged.digest if tagged else "")


def image_check(found: ImageThen, *, is_pinning: bool) -> Check:
    """Say whether what ran then is what would run now."""
    name, title = f"image-{found.container}", f"Image of {found.container}"
    short = found.digest[:19]
    if found.problem:
        text = f"{found.image} cannot be checked: {found.problem.rstrip('.')}. Its task definition deploys what is there now."
        return Check(name, title, WARN, text)
    if not found.has_digest:
        return Check(name, title, REFUSE, gone_text(found))
    if not found.has_moved:
        return Check(name, title, OK, f"{found.image} is in ECR and is {short}, as it was then.")
    tag = parse(found.image).tag or "latest"
    moved = f"Tag {tag} names {found.tag_digest[:19] or 'nothing'} now; {short} ran then and is still in ECR."
    if is_pinning:
        return Check(name, title, OK, f"{moved} A copy of the task definition names that digest.")
    if not found.tag_digest:
        return Check(name, title, REFUSE, f"{moved} No task could start: pin the images instead.")
    text = (
        f"{moved} The task definition deploys whatever the tag names now: this would not run what ran then."
    )
    return Check(name, title, WARN, text)


def gone_text(found: ImageThen) -> str:
    gone = f"{found.digest[:19]}, which ran then, is gone from ECR."
    if found.is_pinned:
        return f"{gone} No task of that definition could start."
    tag = parse(found.image).tag or "latest"
    if found.tag_digest:
        return f"{gone} Tag {tag} names {found.tag_digest[:19]} now: what would run is not what ran then."
    return f"{gone} Tag {tag} is gone as well: no task could start."


def target_checks(service: Service, target: ServiceDeployment) -> list[Check]:
    """Check that what is returned to has succeeded and can still be deployed."""
    checks = []
    if target.status != SUCCESSFUL:
        text = (
            f"That service deployment ended {target.status}; only one that was SUCCESSFUL can be returned to."
        )
        checks.append(Check("target-succeeded", "Target", REFUSE, text))
    if not target.task_definition_arn:
        text = "The console does not know which task definition that service deployment ran."
        return [*checks, Check("target-known", "Target", REFUSE, text)]
    checks.append(active_check(service, target.task_definition_arn))
    if not revision_of(service, target):
        text = (
            "ECS no longer describes that service revision: its task definition and images are returned to, and"
            " network, platform, capacity and load balancers stay as they are."
        )
        checks.append(Check("target-revision", "Service revision", WARN, text))
    return checks


def active_check(service: Service, arn: str) -> Check:
    """Check that ECS still deploys a task definition; INACTIVE is for good, so only what was ACTIVE is asked about."""
    name = arn.rsplit("/", 1)[-1]
    try:
        status = masked_definition(service, arn).get("status", "")
        if status == "ACTIVE" and not is_still_active(service, arn):
            status = "INACTIVE"
    except AwsError as error:
        # A rollback is the way out of trouble, and this may be the trouble: ECS has the last word anyway.
        text = f"Whether {name} is still ACTIVE cannot be checked: {error}"
        return Check("target-active", "Task definition", WARN, text)
    if status != "ACTIVE":
        text = f"{name} is {status or 'unknown to ECS'}: ECS deploys ACTIVE task definitions only."
        return Check("target-active", "Task definition", REFUSE, text)
    return Check("target-active", "Task definition", OK, f"{name} is ACTIVE.")


def revision_of(service: Service, target: ServiceDeployment) -> Document:
    """Return the service revision of a past deployment, masked: from the inventory, else from ECS; empty when gone."""
    arn = target.target_revision_arn
    if not arn:
        return {}
    row = ServiceRevision.objects.filter(arn=arn, service=service).first()
    if row is not None:
        facts: Document = row.facts or {}
        return facts
    try:
        found = ecs.describe_service_revisions(scope_of(service), [arn]).items
    except AwsError:
        # Its checks say that the revision is not known; the task definition can be returned to all the same.
        return {}
    masked: Document = mask(found[0]) if found else {}
    return masked


def identities_of(deployments: Iterable[ServiceDeployment]) -> dict[int, str]:
    """Return what tells past deployments apart as places to return to: definition, digests, configuration; one query."""
    known = list(deployments)
    arns = [item.target_revision_arn for item in known if item.target_revision_arn]
    facts = dict(ServiceRevision.objects.filter(arn__in=arns).values_list("arn", "facts"))
    return {item.pk: identity_of(item, facts.get(item.target_revision_arn) or {}) for item in known}


def identity_of(deployment: ServiceDeployment, revision: Mapping[str, Any]) -> str:
    images = sorted((str(item.get("container", "")), digest_of(item)) for item in deployment.images)
    return sha256_of([deployment.task_definition_arn, images, config_of(revision)])


def running_deployment(service: Service, successes: Iterable[ServiceDeployment]) -> ServiceDeployment | None:
    """Return the deployment whose revision runs: by its revision where ECS names it, else the newest of the definition."""
    current = {item.get("arn") for item in service.facts.get("currentServiceRevisions") or []}
    known = list(successes)
    by_revision = next((item for item in known if item.target_revision_arn in current), None)
    same = (item for item in known if item.task_definition_arn == service.task_definition_arn)
    return by_revision or next(same, None)


def is_what_runs(service: Service, target: ServiceDeployment) -> bool:
    """Whether a past deployment ran exactly what runs now: definition, digests and configuration."""
    if target.task_definition_arn != service.task_definition_arn:
        return False
    successes = service.service_deployments.filter(status=SUCCESSFUL).order_by("-created_at")
    current = running_deployment(service, successes[:50])
    if current is not None:
        keys = identities_of([current, target])
        return keys[current.pk] == keys[target.pk]
    revision = revision_of(service, target)
    return not (revision and changes_to(service.facts, revision))
