from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from clusters.models import Service, Task
from clusters.task_rows import containers_of, life_of, network_of, row_of
from tests.builders import make_service, make_task
from tests.conftest import SignedIn

HOSTILE = "<img src=x onerror=alert(1)>"
FULL: dict[str, Any] = {
    "createdAt": "2026-11-24T10:00:00+00:00",
    "pullStartedAt": "2026-11-24T10:00:05+00:00",
    "pullStoppedAt": "2026-11-24T10:00:15+00:00",
    "startedAt": "2026-11-24T10:00:20+00:00",
    "stoppedAt": "2026-11-24T10:01:25+00:00",
    "launchType": "FARGATE",
    "platformVersion": "1.4.0",
    "attachments": [
        {
            "type": "ElasticNetworkInterface",
            "details": [
                {"name": "privateIPv4Address", "value": "10.0.0.7"},
                {"name": "subnetId", "value": "subnet-1"},
            ],
        },
        {"type": "Service Connect"},
    ],
    "overrides": {"containerOverrides": [{"environment": [{"name": "TOKEN", "value": "hunter2"}]}]},
    "tags": [{"key": HOSTILE, "value": HOSTILE}],
    "containers": [
        {
            "name": "app",
            "image": "shop/app:v1",
            "imageDigest": "sha256:abcdef",
            "lastStatus": "STOPPED",
            "exitCode": 137,
            "reason": f"OutOfMemoryError {HOSTILE}",
        },
        {"name": "sidecar", "lastStatus": "STOPPED", "exitCode": 0},
    ],
}


@pytest.fixture
def service(db: None) -> Service:
    return make_service(described_at=timezone.now())


def stopped(service: Service, **fields: Any) -> Task:
    defaults = {
        "last_status": "STOPPED",
        "desired_status": "STOPPED",
        "stop_code": "EssentialContainerExited",
        "stopped_reason": f"Essential container in task exited {HOSTILE}",
        "exit_code": 137,
        "stopped_at": timezone.now(),
        "facts": FULL,
    }
    return make_task(service, **{**defaults, **fields})


@pytest.mark.parametrize(("name", "status"), [("alice", 200), ("carol", 200), ("dan", 200), ("mallory", 404)])
def test_who_sees_the_service_sees_its_tasks(as_: SignedIn, service: Service, name: str, status: int) -> None:
    assert as_(name).get(make_task(service).get_absolute_url()).status_code == status


def test_a_stopped_task_tells_its_whole_story(as_: SignedIn, service: Service) -> None:
    page = as_("carol").get(stopped(service).get_absolute_url()).content.decode()
    for words in ("Stopped with a failure, exit code 137", "EssentialContainerExited", "OutOfMemoryError"):
        assert words in page
    for words in ("sha256:abcdef", "Image pull ended", "+10 s", "10.0.0.7", "subnet-1", "FARGATE"):
        assert words in page


def test_nothing_hostile_and_nothing_secret_reaches_the_page(as_: SignedIn, service: Service) -> None:
    page = as_("carol").get(stopped(service).get_absolute_url()).content.decode()
    assert HOSTILE not in page
    assert "hunter2" not in page
    assert "TOKEN" in page


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"containers": [{}]},
        {"attachments": [{"type": "ElasticNetworkInterface"}]},
        {"containers": None, "tags": None},
    ],
)
def test_missing_facts_never_break_the_page(as_: SignedIn, service: Service, facts: dict[str, Any]) -> None:
    task = stopped(service, facts=facts, exit_code=None, stopped_at=None, started_at=None, created_at=None)
    assert as_("carol").get(task.get_absolute_url()).status_code == 200


def test_a_task_without_a_service_has_a_page(as_: SignedIn, service: Service) -> None:
    task = make_task(service)
    Task.objects.filter(pk=task.pk).update(service=None)
    assert as_("carol").get(task.get_absolute_url()).status_code == 200


def test_a_nudge_gets_the_task_and_nothing_around_it(as_: SignedIn, service: Service) -> None:
    response = as_("carol").get(make_task(service).get_absolute_url(), headers={"HX-Request": "true"})
    fragment = response.content.decode()
    assert 'id="task"' in fragment
    assert "<html" not in fragment
    # The log and an opened JSON lie outside, so that a refresh never closes them.
    assert 'id="task-logs"' not in fragment
    assert 'id="task-raw"' not in fragment


def test_query_count_is_fixed(
    as_: SignedIn, service: Service, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    task, client = stopped(service), as_("carol")
    client.get(task.get_absolute_url())
    with django_assert_max_num_queries(18):
        client.get(task.get_absolute_url())


@pytest.mark.parametrize(
    ("fields", "cell", "tone"),
    [
        ({"last_status": "RUNNING", "health_status": "HEALTHY"}, "run ok", "steady"),
        ({"last_status": "RUNNING", "health_status": "UNKNOWN"}, "run", "steady"),
        ({"last_status": "RUNNING", "health_status": "UNHEALTHY"}, "sick", "degraded"),
        ({"last_status": "RUNNING", "desired_status": "STOPPED"}, "drain", "zero"),
        ({"last_status": "DEPROVISIONING", "desired_status": "STOPPED"}, "drain", "zero"),
        ({"last_status": "PROVISIONING"}, "pend", "deploying"),
        (
            {"last_status": "STOPPED", "stop_code": "ServiceSchedulerInitiated", "stopped_reason": "Scaling"},
            "slot",
            "zero",
        ),
        ({"last_status": "STOPPED", "stop_code": "UserInitiated"}, "slot", "zero"),
        ({"last_status": "STOPPED", "stop_code": "TaskFailedToStart"}, "fail", "failed"),
        (
            {"last_status": "STOPPED", "stop_code": "EssentialContainerExited", "exit_code": 0},
            "fail",
            "failed",
        ),
        ({"last_status": "SOMETHING_NEW"}, "unk", "unknown"),
    ],
)
def test_every_state_has_its_cell(service: Service, fields: dict[str, Any], cell: str, tone: str) -> None:
    row = row_of(make_task(service, **fields), "ecs-svc/1", timezone.now())
    assert (row.cell, row.tone) == (cell, tone)


def test_a_task_of_its_own_that_ended_with_0_has_not_failed(service: Service) -> None:
    task = stopped(service, exit_code=0)
    assert row_of(task, "", timezone.now()).is_failed
    Task.objects.filter(pk=task.pk).update(service=None)
    assert not row_of(Task.objects.get(pk=task.pk), "", timezone.now()).is_failed


def test_life_is_in_time_order_with_what_ecs_gave() -> None:
    assert [
        (step.title, step.after) for step in life_of({**FULL, "startedAt": "nonsense", "stoppingAt": None})
    ] == [
        ("Created", ""),
        ("Image pull started", "+5 s"),
        ("Image pull ended", "+10 s"),
        ("Stopped", "+1 min 10 s"),
    ]


def test_network_and_containers_from_facts() -> None:
    assert network_of(FULL) == [("Private address", "10.0.0.7"), ("Subnet", "subnet-1")]
    app, sidecar = containers_of(FULL)
    assert (app.has_failed, sidecar.has_failed) == (True, False)
    assert app.image.short_digest == "abcdef"


def test_how_long_a_young_task_runs_is_said(service: Service) -> None:
    now = timezone.now()
    row = row_of(make_task(service, started_at=now - timedelta(seconds=38)), "", now)
    assert row.note == "for 38 s"
    assert row.short_id == row.task.task_id[:8]
    assert row.zone == "1a"
