"""Reads one account in one region and stores what differs: a walk of everything, or a round of what is due.

Calls are made outside of transactions; each store is one short transaction under the lease's fence.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from aws import ecs
from aws.calls import side_by_side
from aws.errors import AwsCredentials, AwsError, AwsThrottled, AwsUnreachable
from aws.scope import Scope
from clusters import rollouts, snapshots
from clusters.changes import Changes
from clusters.derive import derive
from clusters.history_reading import HistoryReading
from clusters.models import Cluster, PollTarget, Service, Task
from clusters.poll_lease import Lease
from clusters.schedule import Candidate, pick

logger = structlog.get_logger(__name__)

# How much is read in one round beside the counts; the rest follows in the next, so that no round takes long.
TASKS_READ_FOR = 12
# These fail for the whole region, so after the second time the others are not tried in vain.
REGION_WIDE = (AwsCredentials, AwsUnreachable, AwsThrottled)


class Reader(HistoryReading):
    """One read of one target; `problems` are the errors that concerned a part of it."""

    def __init__(self, target: PollTarget, scope: Scope, lease: Lease) -> None:
        self.target = target
        self.account = target.account
        self.scope = scope
        self.lease = lease
        self.problems: list[AwsError] = []
        self.has_read = False

    # Walk of everything -------------------------------------------------------------------------------------------

    def walk(self) -> None:
        """Read all clusters, services and running tasks; then what is new of deployments and definitions.

        Services come first over all clusters, because a first page is useful with them. The calls are as many as ECS's
        batches allow at the least: a list and a describe for each hundred clusters, services in tens, tasks in
        hundreds; a cluster without services or tasks is not asked for any.
        """
        clusters = self.read_clusters()
        reached = [cluster for cluster in clusters if self.guarded(self.read_all_services, cluster)]
        for cluster in reached:
            self.guarded(self.read_all_tasks, cluster)
        self.read_rest()

    def read_clusters(self) -> list[Cluster]:
        """List and describe all clusters; refuse what belongs to another account than the one configured."""
        at = timezone.now()
        arns = ecs.list_cluster_arns(self.scope)
        check_account(arns, self.scope)
        items = ecs.describe_clusters(self.scope, arns).items
        with self.storing() as changes:
            clusters, found = snapshots.store_clusters(self.account, self.target.region, items, at)
            changes.add(found)
        self.has_read = True
        counts = {item["clusterArn"]: item for item in items}
        for cluster in clusters:
            # The counts of this read, where the stored facts may be unchanged since long.
            cluster.facts = counts[cluster.arn]
        return clusters

    def read_all_services(self, cluster: Cluster) -> None:
        """List and describe all services of a cluster."""
        known = cluster.services.filter(gone_at=None)
        # Draining services are not counted, so those that were known are still asked for.
        if not cluster.facts.get("activeServicesCount") and not known.exists():
            return
        at = timezone.now()
        arns = ecs.list_service_arns(self.scope, cluster.name)
        described = ecs.describe_services(self.scope, cluster.name, arns)
        with self.storing() as changes:
            found = snapshots.store_services(cluster, described.items, at, listed=arns)
            self.finish(found, changes, judged=known)

    def read_all_tasks(self, cluster: Cluster) -> None:
        """List and describe the running tasks of a cluster."""
        counted = cluster.facts.get("runningTasksCount", 0) + cluster.facts.get("pendingTasksCount", 0)
        current = cluster.tasks.filter(gone_at=None).exclude(last_status="STOPPED")
        if not counted and not current.exists():
            return
        at = timezone.now()
        arns = ecs.list_task_arns(self.scope, cluster.name)
        described = ecs.describe_tasks(self.scope, cluster.name, arns)
        with self.storing() as changes:
            found = snapshots.store_tasks(cluster, described.items, at)
            found.add(snapshots.follow_vanished(cluster, set(arns), at))
            self.finish(found, changes)

    # Round of what is due -----------------------------------------------------------------------------------------

    def round(self) -> None:
        """Read the services that are hot or due, the tasks of the hot ones, and what is new of their deployments."""
        now = timezone.now()
        quiet = timedelta(seconds=settings.POLL_QUIET_SECONDS)
        candidates = self.candidates(now)
        last = self.target.succeeded_at
        if not candidates and (last is None or now - last >= quiet):
            # Without a service nothing would be asked for, and nobody would notice that the region cannot be reached.
            self.walk()
            return
        picked = pick(candidates, now, quiet, timedelta(seconds=settings.POLL_HOT_SECONDS))
        clusters = Cluster.objects.in_bulk(picked)
        if self.is_time_to_look(now, quiet):
            self.guarded(self.look_for_new)
        for pk, services in picked.items():
            self.guarded(self.read_some, clusters[pk], services)
        self.read_rest()

    def is_time_to_look(self, now: datetime, every: timedelta) -> bool:
        """Whether a moment to look for new things lies between the last read and this one, counted from the walk."""
        walked = self.target.next_full_at - timedelta(seconds=settings.POLL_FULL_SECONDS)
        last = max(self.target.attempted_at or walked, walked)
        return (now - walked) // every > (last - walked) // every

    def look_for_new(self) -> None:
        """Read the clusters, and the services of those that count others than are known: new ones need no walk.

        Two calls for each hundred clusters. A deleted service is missed by the round that describes it, so one that
        was replaced by another differs in the count at the next look.
        """
        clusters = self.read_clusters()
        rows = Service.objects.filter(cluster__in=clusters, gone_at=None, ecs_status="ACTIVE").order_by()
        known = dict(rows.values_list("cluster").annotate(count=Count("pk")))
        for cluster in clusters:
            if cluster.facts.get("activeServicesCount", 0) != known.get(cluster.pk, 0):
                self.guarded(self.read_all_services, cluster)

    def candidates(self, now: datetime) -> list[Candidate]:
        """Return all services of the target as the schedule sees them, in one query."""
        rows = Service.objects.filter(
            cluster__account=self.account, cluster__region=self.target.region, gone_at=None
        ).order_by()
        hot = rows.filter(
            Q(rollout_state="IN_PROGRESS")
            | Q(pending_count__gt=0)
            | ~Q(running_count=F("desired_count"))
            | Q(hot_until__gt=now)
        )
        hot_pks = set(hot.values_list("pk", flat=True))
        values = rows.values_list("pk", "cluster_id", "arn", "name", "described_at")
        return [
            Candidate(pk, cluster_id, arn, name, described_at, pk in hot_pks)
            for pk, cluster_id, arn, name, described_at in values
        ]

    def read_some(self, cluster: Cluster, services: Sequence[Candidate]) -> None:
        """Describe some services of a cluster, and the tasks of the hot ones."""
        at = timezone.now()
        described = ecs.describe_services(self.scope, cluster.name, [service.name for service in services])
        missing = {failure.arn for failure in described.failures if failure.reason == "MISSING"}
        missing |= {item["serviceArn"] for item in described.items if item.get("status") == "INACTIVE"}
        with self.storing() as changes:
            found = snapshots.store_services(cluster, described.items, at)
            if missing:
                found.services |= snapshots.retire_services(Service.objects.filter(arn__in=missing), at)
            read = Service.objects.filter(pk__in=[service.pk for service in services])
            self.finish(found, changes, judged=read)
        self.has_read = True
        names = [service.name for service in services if service.is_hot and service.arn not in missing]
        self.read_tasks_of(cluster, names)

    def read_tasks_of(self, cluster: Cluster, names: Sequence[str]) -> None:
        """Read running and stopped tasks of some services; of many, a part in each round."""
        if len(names) > TASKS_READ_FOR:
            names = random.sample(names, TASKS_READ_FOR)
        if not names:
            return
        at = timezone.now()
        asked = [(name, status) for name in names for status in ("RUNNING", "STOPPED")]
        lists = side_by_side(
            lambda one: ecs.list_task_arns(self.scope, cluster.name, service=one[0], desired_status=one[1]),
            asked,
        )
        listed = {arn for arns in lists for arn in arns}
        # A stopped task never changes again.
        over = Task.objects.filter(arn__in=listed, last_status="STOPPED").values_list("arn", flat=True)
        described = ecs.describe_tasks(self.scope, cluster.name, sorted(listed.difference(over)))
        with self.storing() as changes:
            found = snapshots.store_tasks(cluster, described.items, at)
            pks = list(Service.objects.filter(cluster=cluster, name__in=names).values_list("pk", flat=True))
            found.add(snapshots.drop_vanished(pks, listed, at))
            self.finish(found, changes)

    # Shared -------------------------------------------------------------------------------------------------------

    @contextmanager
    def storing(self) -> Iterator[Changes]:
        """Store under the lease; what is added to the changes is nudged when it is committed."""
        changes = Changes()
        with self.lease.storing():
            yield changes
            changes.publish()

    def finish(self, found: Changes, changes: Changes, *, judged: QuerySet[Service] | None = None) -> None:
        """Judge and draw the services that changed, and record rollouts.

        Of `judged` those that are short or roll out are judged though nothing changed: time alone changes a status.
        """
        touched = found.touched_services
        ageing: set[int] = set()
        if judged is not None:
            moving = ~Q(running_count=F("desired_count")) | Q(rollout_state="IN_PROGRESS")
            ageing = set(judged.filter(moving).order_by().values_list("pk", flat=True))
        if touched or ageing:
            now = timezone.now()
            found.services |= derive(touched | ageing, now, redraw=touched)
            rollouts.store_samples(Service.objects.filter(pk__in=touched | ageing), now)
            clusters = Service.objects.filter(pk__in=found.services).order_by()
            found.clusters |= set(clusters.values_list("cluster", flat=True).distinct())
        changes.add(found)

    def guarded(self, read: Callable[..., None], *args: object) -> bool:
        """Read one part; its error is kept, and the other parts go on unless the region as a whole fails."""
        try:
            read(*args)
        except AwsError as error:
            logger.warning(
                "poll_part_failed",
                account=self.scope.account_id,
                region=self.scope.region,
                part=str(args[0]) if args else read.__name__,
                action=error.action,
                code=error.code,
                request_id=error.request_id,
            )
            self.problems.append(error)
            if isinstance(error, REGION_WIDE) and sum(isinstance(e, REGION_WIDE) for e in self.problems) > 1:
                raise
            return False
        return True


def check_account(arns: Iterable[str], scope: Scope) -> None:
    """Refuse clusters of another account: the role's ARN or the credentials are not those of this one."""
    for arn in arns:
        owner = arn.split(":")[4]
        if owner != scope.account_id:
            raise AwsCredentials(
                f"The credentials belong to account {owner} and not to {scope.account_id}",
                action="ecs:ListClusters",
                code="WrongAccount",
            )
