"""The part of a read that takes over deployments, revisions and task definitions: what began, what ended, what is old."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from django.db.models import F, QuerySet
from django.utils import timezone

from aws import ecs
from aws.calls import side_by_side
from aws.errors import AwsError, AwsNotFound, AwsRefused
from aws.scope import Scope
from clusters import deployment_notes, revisions, rollouts
from clusters.changes import Changes
from clusters.models import Account, PollTarget, Service, ServiceDeployment

# How much is read in one round beside the counts; the rest follows in the next, so that no round takes long.
DEPLOYMENTS_READ_FOR = 40
DEFINITIONS_READ = 40
REVISIONS_READ = 40
# The newest page of deployments, read at once; what is older follows service by service.
DEPLOYMENTS_LISTED = 20
# Of how many services in a round everything is listed that ECS still knows, and how much of it is described.
HISTORIES_READ = 2
OLD_DEPLOYMENTS_READ = 60


class HistoryReading:
    """Reads deployments under the lease of a `Reader`, which gives the scope and stores."""

    target: PollTarget
    account: Account
    scope: Scope
    problems: list[AwsError]
    storing: Callable[[], AbstractContextManager[Changes]]
    finish: Callable[..., None]
    guarded: Callable[..., bool]

    def read_rest(self) -> None:
        """Read deployments that began or ended, whoever started them, and task definitions not yet known."""
        if len(self.problems) < 2:
            self.guarded(self.read_deployments)
            self.guarded(self.read_open_deployments)
            self.guarded(self.read_old_deployments)
            self.guarded(self.read_revisions)
            self.guarded(self.read_definitions)

    def services_here(self) -> QuerySet[Service]:
        """Return the services whose deployments ECS keeps; those of other controllers have none."""
        return Service.objects.filter(
            cluster__account=self.account,
            cluster__region=self.target.region,
            gone_at=None,
            deployment_controller="ECS",
        ).select_related("cluster")

    def read_deployments(self) -> None:
        """List the deployments of services whose rollout has moved since they were last listed, the hot ones first."""
        rows = self.services_here().exclude(rollout_key=F("rollout_read"))
        moved = sorted(
            rows.order_by("-changed_at")[:DEPLOYMENTS_READ_FOR],
            key=lambda s: s.rollout_state != "IN_PROGRESS",
        )
        if not moved:
            return
        lists = side_by_side(
            lambda service: ecs.list_service_deployments(
                self.scope, service.cluster.name, service.name, limit=DEPLOYMENTS_LISTED
            ),
            moved,
        )
        pages = [[str(item["serviceDeploymentArn"]) for item in items] for items in lists]
        arns = [arn for page in pages for arn in page]
        known = set(ServiceDeployment.objects.filter(arn__in=arns).values_list("arn", flat=True))
        for service, page in zip(moved, pages, strict=True):
            service.is_history_read = is_all(page, known, knew_all=service.is_history_read)
        self.take_deployments(self.unfinished(arns), {service.arn: service.pk for service in moved}, moved)

    def read_old_deployments(self) -> None:
        """Take over what ECS still knows of a few services beyond the newest page; it forgets after 90 days."""
        rows = self.services_here().filter(is_history_read=False, rollout_key=F("rollout_read"))
        services = list(rows.order_by("pk")[:HISTORIES_READ])
        if not services:
            return
        lists = side_by_side(
            lambda service: ecs.list_service_deployments(self.scope, service.cluster.name, service.name),
            services,
        )
        left = self.unfinished(item["serviceDeploymentArn"] for items in lists for item in items)
        # A part is described in each round; once nothing is left the history is complete.
        self.take_deployments(
            left[:OLD_DEPLOYMENTS_READ], {service.arn: service.pk for service in services}, ()
        )
        if len(left) <= OLD_DEPLOYMENTS_READ:
            with self.storing():
                pks = [service.pk for service in services]
                Service.objects.filter(pk__in=pks).update(is_history_read=True)

    def unfinished(self, arns: Iterable[str]) -> list[str]:
        """Return the deployments that are not stored as finished; those never change again."""
        listed = list(dict.fromkeys(arns))
        over = ServiceDeployment.objects.filter(arn__in=listed).exclude(status__in=rollouts.OPEN)
        done = set(over.values_list("arn", flat=True))
        return [arn for arn in listed if arn not in done]

    def read_open_deployments(self) -> None:
        """Describe the deployments that were still moving, which a service's own counts may not show any more."""
        rows = ServiceDeployment.objects.filter(
            service__cluster__account=self.account,
            service__cluster__region=self.target.region,
            status__in=rollouts.OPEN,
            gone_at=None,
        )
        known = list(rows.values_list("arn", "service__arn", "service_id")[: DEPLOYMENTS_READ_FOR * 5])
        if known:
            self.take_deployments([arn for arn, _, _ in known], {arn: pk for _, arn, pk in known}, ())

    def take_deployments(
        self, arns: Sequence[str], services: dict[str, int], moved: Iterable[Service]
    ) -> None:
        """Describe deployments and the revisions not yet known of, and store all."""
        at = timezone.now()
        described = ecs.describe_service_deployments(self.scope, arns)
        named = list(dict.fromkeys(arn for item in described.items for arn in revisions.revisions_of(item)))
        known = revisions.known_revisions(named)
        new = ecs.describe_service_revisions(self.scope, [arn for arn in named if arn not in known]).items
        items = [item for item in described.items if item["serviceArn"] in services]
        known |= {item["serviceRevisionArn"]: item for item in new}
        with self.storing() as changes:
            before = deployment_notes.statuses_of(item["serviceDeploymentArn"] for item in items)
            revisions.store_revisions(services, new, at)
            found = rollouts.store_service_deployments(services, items, known, at)
            missing = [failure.arn for failure in described.failures if failure.reason == "MISSING"]
            ServiceDeployment.objects.filter(arn__in=missing).update(gone_at=at)
            for service in moved:
                # As it was when listed: what moves meanwhile is read in the next round.
                Service.objects.filter(pk=service.pk).update(
                    rollout_read=service.rollout_key, is_history_read=service.is_history_read
                )
            self.finish(found, changes)
            deployment_notes.note_read(before, items)

    def read_revisions(self) -> None:
        """Describe revisions that stored deployments name and that were never read."""
        wanted = revisions.wanted_revisions(self.account, self.target.region, REVISIONS_READ)
        if not wanted:
            return
        at = timezone.now()
        described = ecs.describe_service_revisions(self.scope, wanted)
        owners = dict(Service.objects.filter(pk__in=wanted.values()).values_list("arn", "pk"))
        missing = [failure.arn for failure in described.failures if failure.reason == "MISSING"]
        with self.storing():
            revisions.store_revisions(owners, described.items, at)
            revisions.store_missing_revisions(wanted, missing, at)
            # The ledger knew them without their task definition and images.
            deployment_notes.note(deployment_notes.OBSERVED, revisions.fill_from_revisions(wanted))

    def read_definitions(self) -> None:
        """Describe task definitions that are not known; a revision is read once, because it never changes."""
        arns = rollouts.wanted_definitions(self.account, self.target.region, DEFINITIONS_READ)
        if not arns:
            return
        at = timezone.now()
        answers = side_by_side(self.describe_definition, arns)
        with self.storing() as changes:
            for arn, item in zip(arns, answers, strict=True):
                if item is None:
                    rollouts.store_missing_definition(self.account, self.target.region, arn, at)
                else:
                    rollouts.store_definition(self.account, self.target.region, item, at)
            users = Service.objects.filter(task_definition_arn__in=arns, gone_at=None)
            found = Changes(services=set(users.values_list("pk", flat=True)))
            self.finish(found, changes)

    def describe_definition(self, arn: str) -> ecs.Item | None:
        """Describe a task definition, None for one that ECS has deleted."""
        try:
            return ecs.describe_task_definition(self.scope, arn)
        except (AwsNotFound, AwsRefused):
            return None


def is_all(page: Sequence[str], known: Iterable[str], *, knew_all: bool) -> bool:
    """Whether nothing is left to list beyond a newest page: it is not full, or it joins on to what is known."""
    if len(page) < DEPLOYMENTS_LISTED:
        return True
    return knew_all and not set(known).isdisjoint(page)
