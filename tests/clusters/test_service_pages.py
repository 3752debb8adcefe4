from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from access.models import RoleBinding
from audit.models import AuditEntry
from clusters.models import PollTarget, RolloutSample, Service, ServiceEvent
from tests.builders import bind, make_event, make_person, make_service, make_service_deployment, make_task
from tests.conftest import SignedIn

TABS = ["service", "service-tasks", "service-events", "service-configuration"]
PARTS = [
    "service",
    "service-says",
    "service-rollout",
    "service-tasks",
    "service-events",
    "service-deployment",
]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def service(db: None) -> Service:
    return make_service(described_at=timezone.now())


def url(name: str, service: Service) -> str:
    return reverse(name, args=service.url_args)


def html(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200, response.content[:400]
    return response.content.decode()


def roll_out(service: Service, **deployment: Any) -> dict[str, Any]:
    """Turn a service into one in the middle of a rollout from :7 to :8."""
    now = timezone.now()
    old = service.facts["deployments"][0]
    arn = service.task_definition_arn.replace(":7", ":8")
    new = {
        "id": "ecs-svc/42",
        "status": "PRIMARY",
        "taskDefinition": arn,
        "desiredCount": 2,
        "runningCount": 1,
        "pendingCount": 0,
        "failedTasks": 1,
        "rolloutState": "IN_PROGRESS",
        "createdAt": (now - timedelta(minutes=4)).isoformat(),
        **deployment,
    }
    service.facts = {**service.facts, "deployments": [new, {**old, "status": "ACTIVE"}]}
    service.task_definition_arn, service.status = arn, "deploying"
    service.save()
    for seconds, outgoing, incoming in [(240, 2, 0), (120, 2, 1), (5, 1, 1)]:
        RolloutSample.objects.create(
            service=service,
            deployment_id="ecs-svc/42",
            at=now - timedelta(seconds=seconds),
            outgoing_running=outgoing,
            incoming_running=incoming,
            incoming_pending=0,
            failed_tasks=1,
            desired=2,
        )
    return new


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dan", "erin"])
def test_every_role_sees_every_tab(as_: SignedIn, service: Service, tab: str, name: str) -> None:
    assert service.name in html(as_(name), url(tab, service))


@pytest.mark.parametrize("tab", TABS)
def test_unseen_is_not_found(as_: SignedIn, service: Service, tab: str) -> None:
    assert as_("mallory").get(url(tab, service)).status_code == 404


@pytest.mark.parametrize("tab", TABS)
def test_strangers_are_sent_to_sign_in(client: Client, service: Service, tab: str) -> None:
    assert client.get(url(tab, service)).status_code == 302


def test_a_service_of_another_place_is_not_found(service: Service) -> None:
    elsewhere = make_person("eve")
    bind(elsewhere, "operator", cluster="staging-*")
    client = Client()
    client.force_login(elsewhere, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(url("service", service)).status_code == 404


@pytest.mark.parametrize("part", PARTS)
def test_a_nudge_gets_the_one_element_of_its_name(as_: SignedIn, service: Service, part: str) -> None:
    roll_out(service)
    fragment = html(as_("carol"), f"{url('service', service)}?part={part}", **{"HX-Request": "true"})
    assert f'id="{part}"' in fragment
    assert "<html" not in fragment
    assert f'hx-get="{url("service", service)}?part={part}"' in fragment


def test_without_htmx_a_part_is_the_whole_page(as_: SignedIn, service: Service) -> None:
    assert "<html" in html(as_("carol"), f"{url('service', service)}?part=service-tasks")


def test_an_unknown_part_is_the_whole_page(as_: SignedIn, service: Service) -> None:
    page = html(as_("carol"), f"{url('service', service)}?part=../secrets", **{"HX-Request": "true"})
    assert 'id="service-rollout"' in page


def test_looking_keeps_the_service_hot(as_: SignedIn, service: Service) -> None:
    html(as_("carol"), url("service", service))
    service.refresh_from_db()
    assert service.hot_until is not None
    assert service.hot_until > timezone.now()


def test_a_rollout_shows_both_sides_and_the_recorder(as_: SignedIn, service: Service) -> None:
    roll_out(service)
    make_task(service, task_id="a1" * 16, started_by="ecs-svc/42")
    page = html(as_("carol"), url("service", service))
    assert "Outgoing" in page
    assert "Incoming" in page
    assert "desired 2" in page
    assert "UpdateService accepted" in page
    assert "PRIMARY, IN_PROGRESS" in page
    assert "from=7&amp;to=8" in page


def test_failures_of_this_deployment_come_first_with_reason_and_exit_code(
    as_: SignedIn, service: Service
) -> None:
    roll_out(service)
    make_task(service, task_id="a1" * 16, started_by="ecs-svc/42")
    failed = make_task(
        service,
        task_id="f1" * 16,
        started_by="ecs-svc/42",
        last_status="STOPPED",
        stop_code="EssentialContainerExited",
        stopped_reason="Essential container in task exited",
        exit_code=137,
        stopped_at=timezone.now(),
        facts={"containers": [{"name": "app", "exitCode": 137, "reason": "OutOfMemoryError: killed"}]},
    )
    page = html(as_("carol"), url("service", service))
    table = page[page.index('id="tasks-h"') :]
    assert table.index(failed.task_id) < table.index("a1" * 16)
    assert "exit 137" in table
    assert "OutOfMemoryError: killed" in table


def roll_back(service: Service) -> None:
    """Turn a service into one whose rollout of :8 the circuit breaker rolled back to :7."""
    now = timezone.now()
    old = service.facts["deployments"][0]
    for seconds, deployment_id, outgoing, incoming in [
        (200, "ecs-svc/42", 2, 0),
        (150, "ecs-svc/42", 2, 1),
        (60, old["id"], 1, 2),
        (20, old["id"], 0, 2),
    ]:
        RolloutSample.objects.create(
            service=service,
            deployment_id=deployment_id,
            at=now - timedelta(seconds=seconds),
            outgoing_running=outgoing,
            incoming_running=incoming,
            incoming_pending=0,
            failed_tasks=3,
            desired=2,
        )
    failed_arn = service.task_definition_arn.replace(":7", ":8")
    make_service_deployment(
        service,
        status="ROLLBACK_SUCCESSFUL",
        status_reason="Service deployment rolled back because the circuit breaker threshold was exceeded.",
        task_definition_arn=failed_arn,
        created_at=now - timedelta(seconds=200),
        finished_at=now - timedelta(seconds=15),
    )
    make_task(
        service,
        task_id="f1" * 16,
        started_by="ecs-svc/42",
        task_definition_arn=failed_arn,
        last_status="STOPPED",
        stop_code="EssentialContainerExited",
        stopped_reason="Essential container in task exited",
        exit_code=1,
        created_at=now - timedelta(seconds=100),
        stopped_at=now - timedelta(seconds=90),
    )


def test_a_rolled_back_rollout_is_told_under_its_own_name(as_: SignedIn, service: Service) -> None:
    roll_back(service)
    page = html(as_("carol"), url("service", service))
    assert "ROLLBACK_SUCCESSFUL" in page
    assert "circuit breaker threshold was exceeded" in page
    assert "Rolled back to :7" in page
    assert "f1" * 16 in page
    assert "from=7&amp;to=8" in page
    # PRIMARY is the old deployment again; its tasks stay on the outgoing side.
    assert "Outgoing :7 stays at 2." in page
    assert "Incoming :8 holds 0 of 2 and held 1 at most." in page


def test_the_next_attempt_takes_the_place_of_what_was_rolled_back(as_: SignedIn, service: Service) -> None:
    roll_back(service)
    service.facts["deployments"][0]["createdAt"] = timezone.now().isoformat()
    service.save()
    page = html(as_("carol"), url("service", service))
    assert "Rolled back to" not in page
    assert "f1" * 16 not in page


def test_breaker_counts_as_ecs_tells(as_: SignedIn, service: Service) -> None:
    new = roll_out(service)
    make_service_deployment(
        service,
        status="IN_PROGRESS",
        created_at=timezone.now() - timedelta(minutes=4),
        finished_at=None,
        task_definition_arn=new["taskDefinition"],
        facts={"deploymentCircuitBreaker": {"failureCount": 1, "threshold": 3}},
    )
    page = html(as_("carol"), url("service", service))
    assert "1 of 3" in page
    assert "On, rolls back, 1 of 3 failures" in page
    assert "2 more failures and the circuit breaker rolls back" in page


def test_a_stale_service_is_unknown_and_says_why(as_: SignedIn, service: Service) -> None:
    make_task(service)
    then = timezone.now() - timedelta(minutes=5)
    Service.objects.filter(pk=service.pk).update(described_at=then)
    PollTarget.objects.update(
        failing_since=then,
        error_action="ecs:DescribeServices",
        error_code="ThrottlingException",
        error_message=f"Rate exceeded {HOSTILE}",
        error_request_id="6d0c1f9e",
    )
    page = html(as_("carol"), url("service", service))
    assert "Not updated since" in page
    assert "ThrottlingException" in page
    assert "6d0c1f9e" in page
    assert "strip stale" in page
    assert "st unknown" not in page
    assert 'class="st steady' not in page
    assert HOSTILE not in page


def test_a_gone_service_says_since_when(as_: SignedIn, service: Service) -> None:
    Service.objects.filter(pk=service.pk).update(gone_at=timezone.now() - timedelta(hours=2))
    page = html(as_("carol"), url("service", service))
    assert "This service is gone." in page
    assert 'class="st steady' not in page
    assert "no longer runs any task" in page


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize(
    "facts", [{}, {"deployments": []}, {"deployments": [{"status": "PRIMARY"}]}, {"deployments": None}]
)
def test_missing_facts_never_break_a_page(
    as_: SignedIn, service: Service, tab: str, facts: dict[str, Any]
) -> None:
    service.facts, service.images = facts, []
    service.save()
    html(as_("carol"), url(tab, service))


def test_a_daemon_without_rollout_state_is_shown(as_: SignedIn, service: Service) -> None:
    roll_out(service, rolloutState="", createdAt=None)
    assert "PRIMARY" in html(as_("carol"), url("service", service))


def test_what_aws_says_is_escaped(as_: SignedIn, service: Service) -> None:
    roll_out(service)
    service.happening = HOSTILE
    service.facts["tags"] = [{"key": HOSTILE, "value": HOSTILE}]
    service.save()
    make_event(service, HOSTILE)
    make_task(
        service,
        started_by="ecs-svc/42",
        last_status="STOPPED",
        stop_code="TaskFailedToStart",
        stopped_reason=HOSTILE,
        facts={"containers": [{"name": HOSTILE, "reason": f"x{HOSTILE}"}]},
    )
    for tab in TABS:
        page = html(as_("carol"), url(tab, service))
        assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_stopped_tasks_are_all_kept(as_: SignedIn, service: Service) -> None:
    for number in range(120):
        make_task(
            service, last_status="STOPPED", stopped_at=timezone.now() - timedelta(days=number), facts={}
        )
    first = html(as_("carol"), f"{url('service-tasks', service)}?state=stopped")
    assert first.count('<tr role="row" id="task-') == 100
    second = html(as_("carol"), f"{url('service-tasks', service)}?state=stopped&page=2")
    assert second.count('<tr role="row" id="task-') == 20
    assert "101 to 120 of 120" in second


def test_events_beyond_a_hundred_are_kept_and_searched(as_: SignedIn, service: Service) -> None:
    for number in range(130):
        make_event(service, created_at=timezone.now() - timedelta(hours=number))
    make_event(service, "was unable to place a task.", created_at=timezone.now() - timedelta(days=9))
    everything = html(as_("carol"), f"{url('service-events', service)}?show=all&page=2")
    assert "was unable to place a task." in everything
    found = html(as_("carol"), f"{url('service-events', service)}?q=UNABLE")
    assert "was unable to place a task." in found
    assert "steady state" not in found
    none = html(as_("carol"), f"{url('service-events', service)}?q=<b>nope</b>")
    assert "No event says" in none
    assert "<b>nope</b>" not in none


def test_routine_events_fold_unless_asked_for(as_: SignedIn, service: Service) -> None:
    noon = timezone.now().replace(hour=12, minute=0)
    for minute in range(4):
        make_event(service, created_at=noon - timedelta(minutes=minute))
    make_event(service, "was unable to place a task.", created_at=noon - timedelta(minutes=9))
    folded = html(as_("carol"), url("service-events", service))
    assert "4 routine events" in folded
    assert "was unable to place a task." in folded
    assert (
        html(as_("carol"), f"{url('service-events', service)}?show=all").count("has reached a steady state")
        == 4
    )


def test_tasks_that_events_name_are_links_where_they_are_known(as_: SignedIn, service: Service) -> None:
    known = make_task(service, task_id="ab" * 16)
    make_event(service, f"has started 2 tasks: (task {'ab' * 16}) (task {'cd' * 16}).")
    page = html(as_("carol"), url("service-events", service))
    assert f'href="{known.get_absolute_url()}"' in page
    assert page.count("cd" * 16) == 1


def test_configuration_masks_values_in_its_json(as_: SignedIn, service: Service) -> None:
    service.facts["overrides"] = {"environment": [{"name": "PASSWORD", "value": "hunter2"}]}
    service.save()
    page = html(as_("carol"), f"{url('service-configuration', service)}?view=json")
    assert "PASSWORD" in page
    assert "hunter2" not in page


def failed_service() -> Service:
    service = make_service(
        "ledger-writer", status="failed", described_at=timezone.now(), rollout_state="FAILED"
    )
    make_service_deployment(service, status="ROLLBACK_SUCCESSFUL", created_at=timezone.now())
    return service


@pytest.mark.parametrize(
    ("name", "offered"), [("alice", True), ("bob", True), ("carol", False), ("dan", False)]
)
def test_who_may_deploy_is_offered_to_mark_a_failure_as_seen(as_: SignedIn, name: str, offered: bool) -> None:
    assert ("Mark as seen" in html(as_(name), url("service", failed_service()))) is offered


def test_marking_as_seen_is_recorded(as_: SignedIn) -> None:
    service = failed_service()
    response = as_("alice").post(url("service-acknowledge", service))
    assert response.status_code == 302
    service.refresh_from_db()
    assert service.acknowledged_deployment
    assert AuditEntry.objects.filter(action="failure.acknowledged").count() == 1


@pytest.mark.parametrize(("name", "status"), [("carol", 403), ("dan", 403), ("mallory", 404)])
def test_who_may_not_deploy_cannot_mark_as_seen(as_: SignedIn, name: str, status: int) -> None:
    service = failed_service()
    assert as_(name).post(url("service-acknowledge", service)).status_code == status
    service.refresh_from_db()
    assert service.acknowledged_deployment == ""


def test_marking_as_seen_takes_a_post(as_: SignedIn) -> None:
    assert as_("alice").get(url("service-acknowledge", failed_service())).status_code == 405


@pytest.mark.parametrize("tab", TABS)
def test_queries_do_not_grow_with_the_service(
    as_: SignedIn, service: Service, tab: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    roll_out(service)
    for number in range(30):
        make_task(service, task_id=f"{number:032x}")
        make_task(
            service, last_status="STOPPED", started_by="ecs-svc/42", stop_code="EssentialContainerExited"
        )
        make_event(service, f"(service a) has started 1 tasks: (task {number:032x}).")
        make_service_deployment(service)
    assert ServiceEvent.objects.count() == 30
    client = as_("carol")
    client.get(url(tab, service))
    with django_assert_max_num_queries(18):
        client.get(url(tab, service))


def test_a_binding_that_ended_hides_the_service(as_: SignedIn, service: Service) -> None:
    RoleBinding.objects.filter(user__username="carol").update(not_after=timezone.now() - timedelta(seconds=1))
    assert as_("carol").get(url("service", service)).status_code == 404
