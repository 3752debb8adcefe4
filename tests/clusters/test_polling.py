"""Polling against the sandbox, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters import poll_lease, polling
from clusters.models import (
    Cluster,
    PollTarget,
    RolloutSample,
    Service,
    ServiceDeployment,
    ServiceEvent,
    Task,
    TaskDefinition,
)
from clusters.status import Status
from tests.clusters.polling_world import REGION, World, world

__all__ = ["world"]
WALK = (
    "ListClusters",
    "DescribeClusters",
    "ListServices",
    "DescribeServices",
    "ListTasks",
    "DescribeTasks",
)


@pytest.fixture(autouse=True)
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is nudged instead of sending it."""
    sent: list[str] = []
    monkeypatch.setattr("clusters.changes.publish_on_commit", lambda *names: sent.extend(names))
    monkeypatch.setattr("clusters.polling.publish", lambda *names: sent.extend(names))
    return sent


def web() -> Service:
    return Service.objects.get(name="web")


def test_the_first_poll_fills_the_inventory(world: World) -> None:
    assert world.poll()
    service = web()
    assert (service.status, service.running_count, service.version) == (Status.STEADY, 2, "v1")
    assert service.images == [{"container": "app", "image": "public.ecr.aws/shop/web:v1"}]
    assert 'id="svc-' in service.row_html
    assert service.events.exists()
    assert "core" in service.search_text
    assert Task.objects.filter(service=service, last_status="RUNNING").count() == 2
    assert TaskDefinition.objects.get().family == "web"
    deployment = ServiceDeployment.objects.get()
    assert (deployment.status, deployment.task_definition_arn) == ("SUCCESSFUL", service.task_definition_arn)
    assert deployment.images[0]["digest"].startswith("sha256:")
    assert world.target.succeeded_at
    assert world.target.failing_since is None


def test_a_walk_makes_exactly_the_calls_of_the_formula(world: World) -> None:
    definition = world.register("many")
    sizes = {"core": 1, "middle": 11, "large": 103}
    for cluster, size in list(sizes.items())[1:]:
        world.add_cluster(cluster)
        for number in range(size):
            world.add_service(cluster, f"many-{number}", definition, desired=1)
            world.settle(cluster, f"many-{number}")
    world.add_cluster("vacant")
    tasks = {"core": 2, "middle": 11, "large": 103}
    for _ in range(2):
        world.server.calls.reset()
        world.poll(walk=True)
        expected = 2 * ceil((len(sizes) + 1) / 100)
        expected += sum(ceil(n / 100) + ceil(n / 10) for n in sizes.values())
        expected += sum(2 * ceil(t / 100) for t in tasks.values())
        assert world.count(*WALK) == expected
    assert Service.objects.count() == sum(sizes.values())


def test_an_unchanged_walk_writes_no_state_and_nudges_nobody(world: World, nudges: list[str]) -> None:
    world.poll()
    world.poll(walk=True)
    before = list(Service.objects.values("changed_at", "row_html", "facts"))
    nudges.clear()
    with CaptureQueriesContext(connection) as queries:
        world.poll(walk=True)
    assert list(Service.objects.values("changed_at", "row_html", "facts")) == before
    assert nudges == ["targets"]
    assert len(queries) <= 45


def test_queries_of_an_unchanged_walk_grow_with_clusters_and_not_with_services(world: World) -> None:
    definition = world.register("more")

    def queries() -> int:
        for _ in range(3):
            world.poll(walk=True)
        with CaptureQueriesContext(connection) as captured:
            world.poll(walk=True)
        return len(captured)

    few = queries()
    for number in range(25):
        world.add_service("core", f"more-{number}", definition, desired=2)
        world.settle("core", f"more-{number}")
    assert queries() == few


def test_only_what_changed_is_written_and_nudged(world: World, nudges: list[str]) -> None:
    world.add_service("core", "other", world.register("other"))
    world.settle("core", "other")
    world.poll()
    other = Service.objects.get(name="other")
    nudges.clear()
    world.call("UpdateService", cluster="core", service="web", desiredCount=3)
    world.poll(walk=True)
    assert web().desired_count == 3
    assert Service.objects.get(name="other").changed_at == other.changed_at
    assert f"service:{web().pk}" in nudges
    assert f"service:{other.pk}" not in nudges
    assert "fleet" in nudges


def test_a_deployment_from_outside_appears_within_one_poll(world: World) -> None:
    world.poll()
    Service.objects.update(described_at=timezone.now() - timedelta(minutes=1))
    definition = world.register(tag="v2")
    world.call("UpdateService", cluster="core", service="web", taskDefinition=definition)
    world.advance(2)
    world.poll()
    service = web()
    assert service.status == Status.DEPLOYING
    assert service.happening.startswith("Rolling out :2")
    assert service.version == "v2"
    newest = ServiceDeployment.objects.first()
    assert newest is not None
    assert newest.task_definition_arn == definition
    assert RolloutSample.objects.filter(service=service).exists()


def test_a_rollout_is_followed_to_its_end(world: World) -> None:
    world.poll()
    Service.objects.update(described_at=None)
    world.call("UpdateService", cluster="core", service="web", taskDefinition=world.register(tag="v2"))
    for _ in range(40):
        world.advance(10)
        world.poll()
    assert web().status == Status.STEADY
    newest = ServiceDeployment.objects.first()
    assert newest is not None
    assert (newest.status, newest.finished_at is not None) == ("SUCCESSFUL", True)
    # The old tasks are kept as they ended, and none of them counts as running.
    assert Task.objects.filter(last_status="STOPPED").count() == 2
    assert Task.objects.filter(gone_at=None).exclude(last_status="STOPPED").count() == 2


def test_a_missing_image_is_named_as_the_cause(world: World) -> None:
    world.poll()
    Service.objects.update(described_at=None)
    definition = world.register(tag="v2-missing")
    world.call("UpdateService", cluster="core", service="web", taskDefinition=definition)
    seen: list[tuple[str, str]] = []
    for _ in range(60):
        world.advance(10)
        world.poll()
        seen.append((web().status, web().happening))
    assert any(
        status == Status.DEGRADED and "Image shop/web:v2-missing is not in the registry" in happening
        for status, happening in seen
    )
    status, happening = seen[-1]
    assert status == Status.FAILED
    assert happening.startswith("Deployment of :2 failed. Image shop/web:v2-missing is not in the registry.")
    assert happening.endswith("ECS rolled back to :1.")


def test_what_vanishes_is_marked_gone_and_kept(world: World) -> None:
    world.poll()
    events = ServiceEvent.objects.count()
    world.call("UpdateService", cluster="core", service="web", desiredCount=0)
    world.advance(120)
    world.call("DeleteService", cluster="core", service="web", force=True)
    world.advance(60)
    world.poll(walk=True)
    service = web()
    assert service.gone_at is not None
    assert ServiceEvent.objects.count() >= events
    assert not Task.objects.filter(gone_at=None).exclude(last_status="STOPPED").exists()
    world.call("DeleteCluster", cluster="core")
    world.poll(walk=True)
    assert Cluster.objects.get().gone_at is not None


def test_new_services_and_clusters_appear_within_a_minute_and_without_a_walk(world: World) -> None:
    def pass_time() -> None:
        """Put the last reads forty seconds further back."""
        back = timedelta(seconds=40)
        PollTarget.objects.update(
            next_full_at=F("next_full_at") - back, attempted_at=F("attempted_at") - back
        )

    world.poll()
    world.add_service("core", "added", world.register("added"))
    world.add_cluster("new")
    world.add_service("new", "first", world.register("first"))
    world.server.calls.reset()
    world.poll()
    assert world.count("ListClusters", "ListServices") == 0, "nobody looks in every round"
    pass_time()
    world.poll()
    assert set(Service.objects.values_list("name", flat=True)) == {"web", "added", "first"}
    world.server.calls.reset()
    pass_time()
    world.poll()
    assert world.count("ListClusters", "DescribeClusters") == 2
    assert world.count("ListServices") == 0, "the counts agree again"


def test_an_older_observation_is_ignored(world: World) -> None:
    world.poll()
    later = timezone.now() + timedelta(hours=1)
    Service.objects.update(observed_at=later, state_hash="of later")
    world.poll(walk=True)
    assert web().state_hash == "of later"


def test_a_target_is_read_by_one_worker(world: World) -> None:
    now = timezone.now()
    lease = poll_lease.claim(world.target.pk, now)
    assert lease is not None
    assert not world.poll()
    assert world.server.calls.count() == 0
    assert world.target.pk not in polling.due_targets(timezone.now())
    # Whoever comes after the lease has run out takes over, and the first may not store any more.
    PollTarget.objects.update(lease_expires_at=now)
    assert world.poll()
    with pytest.raises(poll_lease.LeaseLost), lease.storing():
        pass


def test_a_failure_is_stored_and_ends_with_the_next_success(world: World, nudges: list[str]) -> None:
    world.poll()
    read_at = world.target.succeeded_at
    world.server.faults.add(kind="access-denied", operation="ListClusters")
    nudges.clear()
    world.poll(walk=True)
    target = world.target
    assert (target.error_action, target.error_code) == ("ecs:ListClusters", "AccessDeniedException")
    assert target.error_request_id
    assert target.error_message
    assert target.failing_since
    assert target.succeeded_at == read_at
    assert nudges == ["targets", "fleet"]
    since = target.failing_since
    world.poll()
    assert world.target.failing_since == since
    assert world.target.failure_count == 2
    world.server.faults.remove()
    world.poll()
    assert (world.target.failing_since, world.target.error_code, world.target.failure_count) == (None, "", 0)


def test_failures_back_off_to_a_minute_at_most() -> None:
    waits = [polling.back_off(count) for count in range(1, 12)]
    assert waits[0] <= 6
    assert waits[-1] <= polling.LONGEST_BACK_OFF
    assert waits[5] > waits[0]


def test_a_region_that_is_away_keeps_what_is_known(world: World) -> None:
    world.poll()
    world.server.faults.add(kind="outage", region=REGION)
    world.poll(walk=True)
    assert world.target.failing_since
    assert web().status == Status.STEADY
    assert web().gone_at is None


def test_throttling_is_stored_and_asked_again_later(world: World) -> None:
    world.server.faults.add(kind="throttle", operation="DescribeServices")
    now = timezone.now()
    world.poll()
    assert world.target.error_code == "ThrottlingException"
    assert world.target.next_due_at > now + timedelta(seconds=1)


def test_trouble_in_one_cluster_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aws import ecs
    from aws.errors import AwsAccessDenied

    world.add_cluster("another")
    world.add_service("another", "web-2", world.register("web-2"))
    world.settle("another", "web-2")
    real = ecs.list_service_arns

    def list_service_arns(scope: Any, cluster: str) -> list[str]:
        if cluster == "core":
            raise AwsAccessDenied("not this one", action="ecs:ListServices", code="AccessDeniedException")
        return real(scope, cluster)

    monkeypatch.setattr(ecs, "list_service_arns", list_service_arns)
    world.poll()
    assert list(Service.objects.values_list("name", flat=True)) == ["web-2"]
    assert world.target.error_action == "ecs:ListServices"
    assert world.target.succeeded_at is not None


def test_another_accounts_clusters_are_refused(world: World) -> None:
    world.target.account.__class__.objects.update(account_id="999988887777")
    world.poll()
    assert world.target.error_code == "WrongAccount"
    assert not Cluster.objects.exists()


def test_hot_services_are_read_in_every_round_and_quiet_ones_are_not(world: World) -> None:
    world.poll()
    world.server.calls.reset()
    world.poll()
    assert world.server.calls.count() == 0
    Service.objects.update(hot_until=timezone.now() + timedelta(seconds=30))
    world.poll()
    assert world.count("DescribeServices") == 1
    assert world.count("ListTasks") == 2
    assert world.count("ListServices", "ListClusters") == 0


def test_a_known_revision_is_never_asked_for_again(world: World) -> None:
    for _ in range(3):
        world.poll(walk=True)
    assert world.count("DescribeTaskDefinition") == 1
    assert world.count("DescribeServiceRevisions") == 1


def test_events_are_kept_once_each(world: World) -> None:
    world.poll()
    world.call("UpdateService", cluster="core", service="web", desiredCount=3)
    for _ in range(4):
        world.advance(30)
        world.poll(walk=True)
    described = world.call("DescribeServices", cluster="core", services=["web"])["services"][0]["events"]
    assert ServiceEvent.objects.count() == len(described)
    assert set(ServiceEvent.objects.values_list("event_id", flat=True)) == {e["id"] for e in described}


def test_no_environment_value_reaches_the_database(world: World) -> None:
    definition = world.register("secretive", environment=[{"name": "DB", "value": "hunter2-hunter2"}])
    world.add_service("core", "secretive", definition)
    world.poll()
    row = TaskDefinition.objects.get(family="secretive")
    assert "hunter2" not in str(row.facts)
    assert row.facts["containerDefinitions"][0]["environment"][0]["length"] == 15
