"""What the ledger is told of service deployments: that each was seen, and how it ended, whoever began it.

With these entries the population of a period can be counted from the ledger alone, long after ECS has forgotten it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from audit.actions import record
from clusters.models import ServiceDeployment
from clusters.rollouts import OPEN

OBSERVED, ENDED = "deployments.observed", "deployments.ended"
# One entry names so many deployments of one service: the first read of a fleet brings 90 days of them at once.
PER_ENTRY = 50


def statuses_of(arns: Iterable[str]) -> dict[str, str]:
    """Return the stored status of each known deployment, in one query."""
    return dict(ServiceDeployment.objects.filter(arn__in=list(arns)).values_list("arn", "status"))


def note_read(before: Mapping[str, str], items: Iterable[Mapping[str, Any]]) -> None:
    """Record what a read found new or ended, in its transaction, as the last thing that it writes.

    `before` is what was stored. The chain row stays locked until the commit, so rows of services are written first:
    people's actions lock in that order as well.
    """
    now = {str(item["serviceDeploymentArn"]): str(item["status"]) for item in items}
    note(OBSERVED, [arn for arn in now if arn not in before])
    note(ENDED, [arn for arn, status in now.items() if before.get(arn) in OPEN and status not in OPEN])


def note(action: str, arns: Iterable[str]) -> None:
    """Record deployments as they are stored now; costs three queries an entry, and one."""
    for found in batches(list(arns)):
        service = found[0].service
        record(
            action=action,
            actor="system",
            resource=service.access_resource,
            target=service.name,
            data={"deployments": [facts_of(row) for row in found]},
        )


def batches(arns: list[str]) -> Iterator[list[ServiceDeployment]]:
    """Yield the stored deployments service by service, the oldest first, as many as one entry takes."""
    if not arns:
        return
    rows = ServiceDeployment.objects.filter(arn__in=arns).select_related("service__cluster__account")
    rows = rows.defer("service__facts", "service__row_html").order_by("service_id", "created_at", "arn")
    for _, group in groupby(rows, key=lambda row: row.service_id):
        found = list(group)
        for start in range(0, len(found), PER_ENTRY):
            yield found[start : start + PER_ENTRY]


def facts_of(row: ServiceDeployment) -> dict[str, Any]:
    """Return what a report says of a deployment; nothing of it is secret."""
    return {
        "arn": row.arn,
        "status": row.status,
        "status_reason": row.status_reason,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "task_definition": row.task_definition_arn,
        "images": row.images,
        "circuit_breaker": (row.facts.get("deploymentCircuitBreaker") or {}).get("status") or "",
        "alarms": (row.facts.get("alarms") or {}).get("status") or "",
    }
