"""What is kept of service deployments: all that ECS knows, their revisions, and the states they passed."""

from __future__ import annotations

from datetime import timedelta

from clusters.history_reading import OLD_DEPLOYMENTS_READ
from clusters.models import DeploymentMoment, Service, ServiceDeployment, ServiceRevision
from sandbox.history import PastDeployment
from sandbox.ports import Caller
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.clusters.polling_world import REGION, World, world

__all__ = ["world"]


def remember(world: World, count: int, *, days_apart: float = 0.5, definition: str = "") -> None:
    """Give the service `web` a past of successful deployments."""
    now = world.server.world.now
    past = []
    for number in range(count):
        began = now - timedelta(days=days_apart * (number + 1))
        name = definition or world.register(tag="v1")
        past.append(PastDeployment(name, began, began + timedelta(minutes=4)))
    world.server.world.import_history(Caller(ACCOUNT_ID, REGION), "core", "web", past)


def test_the_first_import_goes_beyond_the_newest_page(world: World) -> None:
    remember(world, 150)
    world.poll()
    assert ServiceDeployment.objects.count() == 20 + OLD_DEPLOYMENTS_READ
    assert not Service.objects.get().is_history_read
    for _ in range(3):
        world.poll(walk=True)
    assert ServiceDeployment.objects.count() == 151
    assert Service.objects.get().is_history_read
    assert ServiceDeployment.objects.filter(task_definition_arn="").count() == 0
    world.server.calls.reset()
    world.poll(walk=True)
    assert world.count("ListServiceDeployments", "DescribeServiceDeployments") == 0


def test_a_short_history_takes_one_page_and_no_more(world: World) -> None:
    remember(world, 5)
    world.poll()
    assert ServiceDeployment.objects.count() == 6
    assert world.count("ListServiceDeployments") == 1
    assert Service.objects.get().is_history_read


def test_a_gap_after_a_long_absence_is_filled(world: World) -> None:
    world.poll()
    assert Service.objects.get().is_history_read
    remember(world, 30, days_apart=0.01)
    # The settled deployment is now far behind the newest page.
    ServiceDeployment.objects.all().delete()
    Service.objects.update(rollout_read="")
    world.poll(walk=True)
    for _ in range(3):
        world.poll(walk=True)
    assert ServiceDeployment.objects.count() == 31


def test_what_ecs_forgets_after_ninety_days_stays(world: World) -> None:
    remember(world, 3, days_apart=29)
    world.poll()
    assert ServiceDeployment.objects.count() == 4
    world.advance(timedelta(days=10).total_seconds())
    listed = world.call("ListServiceDeployments", cluster="core", service="web")["serviceDeployments"]
    assert len(listed) == 3
    Service.objects.update(rollout_read="")
    world.poll(walk=True)
    assert ServiceDeployment.objects.count() == 4
    assert ServiceRevision.objects.exclude(facts={}).count() == 4
    assert not ServiceDeployment.objects.exclude(gone_at=None).exists()


def test_revisions_are_kept_once_with_digests_network_and_platform(world: World) -> None:
    world.poll()
    revision = ServiceRevision.objects.get()
    deployment = ServiceDeployment.objects.get()
    assert revision.arn == deployment.target_revision_arn
    assert revision.facts["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    assert revision.facts["containerImages"][0]["imageDigest"].startswith("sha256:")
    assert revision.task_definition_arn == deployment.task_definition_arn
    world.server.calls.reset()
    world.poll(walk=True)
    assert world.count("DescribeServiceRevisions") == 0


def test_revisions_of_rows_from_before_are_read_later(world: World) -> None:
    world.poll()
    ServiceRevision.objects.all().delete()
    ServiceDeployment.objects.update(task_definition_arn="", images=[])
    world.poll(walk=True)
    row = ServiceDeployment.objects.get()
    assert row.task_definition_arn == ServiceRevision.objects.get().task_definition_arn != ""
    assert row.images[0]["container"] == "app"


def test_a_revision_that_ecs_forgot_is_asked_for_once(world: World) -> None:
    world.poll()
    arn = ServiceDeployment.objects.get().target_revision_arn
    ServiceRevision.objects.all().delete()
    ServiceDeployment.objects.update(target_revision_arn=arn.rpartition("/")[0] + "/1")
    world.poll(walk=True)
    missing = ServiceRevision.objects.get()
    assert (missing.facts, missing.gone_at is not None) == ({}, True)
    world.server.calls.reset()
    world.poll(walk=True)
    assert world.count("DescribeServiceRevisions") == 0


def test_the_states_of_a_rollout_that_fails_are_kept_in_order_each_once(world: World) -> None:
    world.poll()
    Service.objects.update(described_at=None)
    definition = world.register(tag="v2-missing")
    world.call("UpdateService", cluster="core", service="web", taskDefinition=definition)
    for _ in range(60):
        world.advance(10)
        world.poll()
    failed = ServiceDeployment.objects.order_by("-created_at")[0]
    statuses = list(failed.moments.values_list("status", flat=True))
    assert statuses == sorted(set(statuses), key=statuses.index)
    assert statuses[-1] == "ROLLBACK_SUCCESSFUL"
    assert {"IN_PROGRESS", "ROLLBACK_IN_PROGRESS"} & set(statuses[:-1])
    assert failed.failed_count == 3
    assert failed.facts["rollback"]["serviceRevisionArn"]
    assert failed.facts["rollback"]["reason"]
    last = DeploymentMoment.objects.get(deployment=failed, status="ROLLBACK_SUCCESSFUL")
    assert last.at == failed.finished_at
