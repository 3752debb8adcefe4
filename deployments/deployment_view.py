"""The page of one service deployment: what it passed through, what it replaced, and what failed in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils import timezone

from access.queries import Access
from clusters.models import DeploymentMoment, ServiceDeployment, ServiceEvent, ServiceRevision
from clusters.service_queries import adopt, stopped_tasks
from clusters.service_view import Breaker, Pairs, placement_words, present, yes
from clusters.spans import parse_time
from clusters.task_rows import TaskRow, row_of
from deployments.change_view import Entry
from deployments.history import LOOKS, UNKNOWN_LOOK, WORDS, HistoryRow, rows_of
from deployments.observe import IN_FLIGHT, short

# ECS's records of one rollout are seconds apart, and its last events come just after its end.
BEFORE, AFTER = timedelta(seconds=10), timedelta(minutes=1)
EVENTS_SHOWN = 60
TASKS_LOOKED_AT = 200
CHOICES = 30
PEERS = 12


@dataclass(frozen=True, slots=True)
class Revision:
    """A service revision as one of the sides of a deployment."""

    label: str
    arn: str
    row: ServiceRevision | None

    @property
    def definition(self) -> str:
        return short(self.row.task_definition_arn) if self.row else ""

    @property
    def pairs(self) -> Pairs:
        """Return what the service was set to, nothing where ECS had forgotten it."""
        facts = self.row.facts if self.row else {}
        vpc = (facts.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        platform = " ".join(filter(None, [facts.get("platformFamily"), facts.get("platformVersion")]))
        connect = facts.get("serviceConnectConfiguration") or {}
        return present(
            [
                ("Runs on", placement_words(facts)),
                ("Platform", platform),
                ("Subnets", ", ".join(vpc.get("subnets") or [])),
                ("Security groups", ", ".join(vpc.get("securityGroups") or [])),
                ("Load balancers", ", ".join(balancer(item) for item in facts.get("loadBalancers") or [])),
                ("Service Connect", connect.get("namespace") if connect.get("enabled") else ""),
                ("GuardDuty", yes(facts["guardDutyEnabled"]) if "guardDutyEnabled" in facts else ""),
            ]
        )


def balancer(item: dict[str, Any]) -> str:
    target = str(item.get("targetGroupArn") or item.get("loadBalancerName") or "")
    name = target.split(":targetgroup/")[-1].partition("/")[0] if ":targetgroup/" in target else target
    return f"{item.get('containerName', '')}:{item.get('containerPort', '')} {name}".strip()


class DeploymentPage:
    """Everything that the page of a service deployment shows, in at most nine queries."""

    def __init__(self, deployment: ServiceDeployment, access: Access, now: datetime | None = None) -> None:
        self.deployment = deployment
        self.service = deployment.service
        self.access = access
        self.now = now or timezone.now()

    @cached_property
    def row(self) -> HistoryRow:
        return rows_of([self.deployment], self.now)[0]

    @property
    def is_open(self) -> bool:
        return self.deployment.status in IN_FLIGHT

    @property
    def may_roll_back(self) -> bool:
        return bool(
            self.row.is_selectable and self.access.can("service.rollback", self.service.access_resource)
        )

    @property
    def began_at(self) -> datetime:
        return self.deployment.created_at - BEFORE

    @property
    def ended_at(self) -> datetime:
        return (self.deployment.finished_at or self.now) + AFTER

    @cached_property
    def revisions(self) -> list[Revision]:
        """Return the sources, the target, and what a rollback returned to, in one query."""
        found = self.deployment
        rollback = str((found.facts.get("rollback") or {}).get("serviceRevisionArn") or "")
        named = [("From", arn) for arn in found.source_revision_arns]
        named.append(("To", found.target_revision_arn))
        if rollback and rollback not in found.source_revision_arns:
            named.append(("Rolled back to", rollback))
        rows = {row.arn: row for row in ServiceRevision.objects.filter(arn__in=[arn for _, arn in named])}
        return [Revision(label, arn, rows.get(arn)) for label, arn in named if arn]

    @cached_property
    def failures(self) -> list[TaskRow]:
        """Return the kept tasks of its task definition that were started in its time and stopped with a failure."""
        tasks = stopped_tasks(self.service).filter(
            task_definition_arn=self.deployment.task_definition_arn,
            created_at__gte=self.began_at,
            created_at__lte=self.ended_at,
        )
        rows = [row_of(task, "", self.now) for task in adopt(self.service, tasks[:TASKS_LOOKED_AT])]
        return [row for row in rows if row.is_failed]

    @property
    def breaker(self) -> Breaker:
        facts = self.deployment.facts
        setting = (facts.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
        count = facts.get("deploymentCircuitBreaker") or {}
        return Breaker(
            bool(setting.get("enable")),
            bool(setting.get("rollback")),
            count.get("failureCount"),
            count.get("threshold"),
        )

    @property
    def facts(self) -> Pairs:
        """Return what ECS says of it, verbatim where it has a word for it."""
        found, breaker = self.deployment, self.breaker
        alarms = found.facts.get("alarms") or {}
        count = "" if breaker.failures is None else f"{breaker.failures} of {breaker.threshold} failed tasks"
        configuration = found.facts.get("deploymentConfiguration") or {}
        low, high = configuration.get("minimumHealthyPercent"), configuration.get("maximumPercent")
        return present(
            [
                ("Lifecycle stage", found.lifecycle_stage),
                ("Strategy", configuration.get("strategy") or "ROLLING"),
                ("Bounds", f"{low}% to {high}%" if low is not None and high is not None else ""),
                ("Circuit breaker", ". ".join(filter(None, [breaker.words, count]))),
                ("Alarms", ", ".join(alarms.get("alarmNames") or [])),
                ("Alarms that fired", ", ".join(alarms.get("triggeredAlarmNames") or [])),
                ("Bake time", minutes(configuration.get("bakeTimeInMinutes"))),
                ("Rollback", (found.facts.get("rollback") or {}).get("reason")),
            ]
        )

    @cached_property
    def timeline(self) -> list[Entry]:
        """Return everything that happened, newest first."""
        events = self.service.events.filter(created_at__gte=self.began_at, created_at__lte=self.ended_at)
        moments = list(self.deployment.moments.all())
        entries = [*born(self.deployment, moments), *map(moment_entry, moments)]
        entries += event_entries(events.order_by("-created_at")[:EVENTS_SHOWN])
        return sorted(entries, key=lambda entry: entry.at, reverse=True)

    @cached_property
    def choices(self) -> list[ServiceDeployment]:
        """Return the other deployments of the service to compare with, the one before it first."""
        others = self.service.service_deployments.exclude(pk=self.deployment.pk).exclude(
            task_definition_arn=""
        )
        narrow = others.only(
            "task_definition_arn", "target_revision_arn", "created_at", "status", "service_id"
        )
        older = list(
            narrow.filter(created_at__lt=self.deployment.created_at).order_by("-created_at")[:CHOICES]
        )
        newer = list(
            narrow.filter(created_at__gte=self.deployment.created_at).order_by("created_at")[:CHOICES]
        )
        return [*older, *newer]

    @property
    def replaced(self) -> int | None:
        """Return the deployment that it replaced, which is not the one before it when that one failed."""
        sources = set(self.deployment.source_revision_arns)
        older = (row for row in self.choices if row.created_at < self.deployment.created_at)
        return next((row.pk for row in older if row.target_revision_arn in sources), None)

    @cached_property
    def peers(self) -> list[ServiceDeployment]:
        """Return what other services run now of the same family, as in another environment; one for each."""
        family = short(self.deployment.task_definition_arn).rpartition(":")[0]
        if not family:
            return []
        rows = self.access.visible(ServiceDeployment.objects.exclude(service=self.service)).filter(
            status="SUCCESSFUL",
            task_definition_arn__contains=f":task-definition/{family}:",
            service__gone_at=None,
        )
        newest: dict[int, ServiceDeployment] = {}
        narrow = rows.select_related("service__cluster__account").defer(
            "facts", "service__facts", "service__row_html"
        )
        for row in narrow.order_by("-created_at")[: PEERS * 10]:
            newest.setdefault(row.service_id, row)
        return list(newest.values())[:PEERS]


def minutes(value: object) -> str:
    return f"{value} min" if value else ""


def look_of(status: str) -> tuple[str, str]:
    return LOOKS.get(status, UNKNOWN_LOOK)


def born(deployment: ServiceDeployment, moments: Iterable[DeploymentMoment]) -> list[Entry]:
    """Return the moments that ECS tells of although nobody looked at them."""
    seen = {moment.status for moment in moments}
    rollback = deployment.facts.get("rollback") or {}
    back = parse_time(rollback.get("startedAt"))
    entries = []
    if "PENDING" not in seen:
        entries.append(Entry(deployment.created_at, "i-plus", "zero", "Created"))
    if deployment.started_at and "IN_PROGRESS" not in seen:
        entries.append(Entry(deployment.started_at, "s-deploying", "deploying", "Started"))
    if back and not seen & {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}:
        reason = str(rollback.get("reason") or "")
        entries.append(Entry(back, "i-back", "degraded", "Rollback began", quote=reason))
    if deployment.finished_at and deployment.status not in seen:
        colour, glyph = look_of(deployment.status)
        title = deployment.status
        entries.append(Entry(deployment.finished_at, glyph, colour, title, quote=deployment.status_reason))
    return entries


def moment_entry(moment: DeploymentMoment) -> Entry:
    colour, glyph = look_of(moment.status)
    note = ", ".join(
        filter(
            None,
            [
                WORDS.get(moment.status, ""),
                f"stage {moment.lifecycle_stage}" if moment.lifecycle_stage else "",
                f"{moment.failed_count} failed" if moment.failed_count else "",
            ],
        )
    )
    return Entry(moment.at, glyph, colour, moment.status, note=note, quote=moment.reason)


def event_entries(events: Iterable[ServiceEvent]) -> list[Entry]:
    return [Entry(event.created_at, "i-list", "zero", "ECS event", quote=event.message) for event in events]
