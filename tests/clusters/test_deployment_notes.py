"""The ledger is told of every service deployment, once when it is seen and once when it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from clusters import deployment_notes
from clusters.models import ServiceDeployment
from tests.builders import make_cluster, make_service, make_service_deployment
from tests.clusters.polling_world import World, world
from tests.clusters.test_deployment_records import remember

__all__ = ["world"]


def told(action: str) -> list[dict[str, Any]]:
    """Return every deployment that entries of an action name."""
    entries = AuditEntry.objects.filter(action=action).order_by("seq")
    return [one for entry in entries for one in entry.data["deployments"]]


def test_each_deployment_is_told_once_with_what_a_report_needs(world: World) -> None:
    world.poll()
    row = ServiceDeployment.objects.get()
    (one,) = told("deployments.observed")
    assert one["arn"] == row.arn
    assert one["status"] == row.status
    assert one["task_definition"] == row.task_definition_arn
    assert one["images"][0]["digest"].startswith("sha256:")
    entry = AuditEntry.objects.get(action="deployments.observed")
    assert (entry.environment, entry.cluster, entry.service) == ("production", "core", "web")
    world.poll(walk=True)
    assert len(told("deployments.observed")) == 1


def test_the_end_is_told_once_and_only_of_what_was_open(world: World) -> None:
    world.poll()
    world.call("UpdateService", cluster="core", service="web", taskDefinition=world.register(tag="v2"))
    world.poll(walk=True)
    running = told("deployments.observed")[-1]
    assert running["status"] in ("PENDING", "IN_PROGRESS")
    assert told("deployments.ended") == []
    world.advance(600)
    world.poll(walk=True)
    world.poll(walk=True)
    (ended,) = told("deployments.ended")
    assert (ended["arn"], ended["status"]) == (running["arn"], "SUCCESSFUL")
    assert ended["finished_at"]


def test_ninety_days_of_a_service_take_few_entries(world: World) -> None:
    remember(world, 150)
    for _ in range(4):
        world.poll(walk=True)
    assert (
        len({one["arn"] for one in told("deployments.observed")}) == ServiceDeployment.objects.count() == 151
    )
    assert AuditEntry.objects.filter(action="deployments.observed").count() <= 8


@pytest.mark.django_db
def test_one_entry_names_fifty_deployments_of_one_service() -> None:
    cluster = make_cluster()
    arns = []
    for name, count in (("checkout-api", 120), ("search", 1)):
        service = make_service(name, cluster)
        rows = [
            make_service_deployment(service, created_at=timezone.now() - timedelta(hours=n))
            for n in range(count)
        ]
        arns += [row.arn for row in rows]
    deployment_notes.note(deployment_notes.OBSERVED, arns)
    entries = AuditEntry.objects.order_by("seq")
    assert [(e.service, len(e.data["deployments"])) for e in entries] == [
        ("checkout-api", 50),
        ("checkout-api", 50),
        ("checkout-api", 20),
        ("search", 1),
    ]
    assert sorted(one["arn"] for one in told("deployments.observed")) == sorted(arns)


@pytest.mark.django_db
def test_a_read_that_fails_afterwards_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise RuntimeError("the worker dies")

    monkeypatch.setattr("clusters.history_reading.deployment_notes.note_read", fails)
    with pytest.raises(RuntimeError):
        world.poll()
    assert not ServiceDeployment.objects.exists()
    assert told("deployments.observed") == []
