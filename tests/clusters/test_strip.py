"""The rollout strip: one cell is one task."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.models import Service, Task
from clusters.strip import CellKind, strip_of

OK, RUN, SICK, PEND, DRAIN, FAIL, SLOT = "run ok", "run", "sick", "pend", "drain", "fail", "slot"


def deployment(identity: str, status: str = "PRIMARY", revision: int = 7, **facts: Any) -> dict[str, Any]:
    arn = f"arn:aws:ecs:us-east-1:111122223333:task-definition/shop:{revision}"
    return {"id": identity, "status": status, "taskDefinition": arn, "rolloutState": "COMPLETED", **facts}


def service(desired: int, *deployments: dict[str, Any], **fields: Any) -> Service:
    return Service(
        name="shop",
        desired_count=desired,
        status=fields.pop("status", "steady"),
        task_definition_arn="arn:aws:ecs:us-east-1:111122223333:task-definition/shop:7",
        facts={"deployments": list(deployments)},
        **fields,
    )


def task(number: int, started_by: str = "new", **fields: Any) -> Task:
    values = {"last_status": "RUNNING", "desired_status": "RUNNING", "health_status": "HEALTHY", **fields}
    return Task(task_id=f"{number:032x}", started_by=started_by, **values)


def failed(number: int, **fields: Any) -> Task:
    values = {"last_status": "STOPPED", "desired_status": "STOPPED", "stop_code": "EssentialContainerExited"}
    return task(number, exit_code=137, **{**values, **fields})


def kinds(cells: Any) -> list[str]:
    return [cell.css for cell in cells]


def test_steady_service_has_one_side_and_no_seam() -> None:
    strip = strip_of(service(3, deployment("new")), [task(n) for n in range(3)])
    assert kinds(strip.outgoing) == [OK] * 3
    assert strip.incoming == ()
    assert strip.spoken == "3 running and healthy."
    assert strip.outgoing_revision == ":7"


def test_rollout_puts_old_tasks_left_and_new_ones_right_in_order() -> None:
    rolling = service(
        4,
        deployment("new", revision=8, rolloutState="IN_PROGRESS"),
        deployment("old", "ACTIVE"),
        status="deploying",
    )
    tasks = [
        task(1, last_status="PENDING"),
        task(2, health_status="UNKNOWN"),
        task(3),
        failed(4),
        task(5, "old", last_status="DEACTIVATING", desired_status="STOPPED"),
        task(6, "old"),
    ]
    strip = strip_of(rolling, tasks)
    assert kinds(strip.outgoing) == [OK, DRAIN]
    assert kinds(strip.incoming) == [OK, RUN, PEND, FAIL]
    assert strip.spoken == (
        "Outgoing: 1 running and healthy, 1 draining. "
        "Incoming: 1 running and healthy, 1 running, 1 pending, 1 failed."
    )
    assert (strip.outgoing_revision, strip.incoming_revision) == (":7", ":8")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, OK),
        ({"health_status": "UNHEALTHY"}, SICK),
        ({"last_status": "PROVISIONING"}, PEND),
        ({"last_status": "ACTIVATING"}, PEND),
        ({"last_status": "STOPPING"}, DRAIN),
        ({"desired_status": "STOPPED"}, DRAIN),
        ({"last_status": "PENDING", "desired_status": "STOPPED"}, DRAIN),
        ({"last_status": "DELETED"}, "unk"),
    ],
)
def test_cell_tells_a_tasks_state(fields: dict[str, str], kind: str) -> None:
    assert kinds(strip_of(service(1, deployment("new")), [task(1, **fields)]).outgoing)[0] == kind


def test_unknown_health_means_no_check_unless_another_task_has_one() -> None:
    plain = [task(1, health_status="UNKNOWN"), task(2, health_status="UNKNOWN")]
    assert kinds(strip_of(service(2, deployment("new")), plain).outgoing) == [OK, OK]
    checked = [task(1, health_status="UNKNOWN"), task(2)]
    assert kinds(strip_of(service(2, deployment("new")), checked).outgoing) == [OK, RUN]


def test_desired_tasks_that_do_not_exist_are_empty_slots() -> None:
    strip = strip_of(service(6, deployment("new")), [task(n) for n in range(4)])
    assert kinds(strip.outgoing) == [OK] * 4 + [SLOT] * 2
    assert strip.spoken == "4 running and healthy, 2 not placed."


def test_counts_of_ecs_stand_in_for_tasks_not_read_yet() -> None:
    counted = service(5, deployment("new", runningCount=4, pendingCount=1))
    assert kinds(strip_of(counted, []).outgoing) == [RUN] * 4 + [PEND]
    assert kinds(strip_of(counted, [task(1), task(2)]).outgoing) == [OK] * 2 + [RUN] * 2 + [PEND]


def test_task_that_moved_between_counts_is_one_cell() -> None:
    counted = service(2, deployment("new", runningCount=1, pendingCount=1))
    assert kinds(strip_of(counted, [task(1), task(2)]).outgoing) == [OK, OK]


def test_failures_are_kept_to_ten_and_the_rest_is_counted() -> None:
    rolling = service(
        1, deployment("new", rolloutState="IN_PROGRESS", failedTasks=24), deployment("old", "ACTIVE")
    )
    strip = strip_of(rolling, [failed(n) for n in range(13)])
    assert kinds(strip.incoming).count(FAIL) == 10
    assert strip.more_failed == 14
    assert "24 failed" in strip.spoken


def test_failures_known_by_count_alone_are_drawn_too() -> None:
    rolling = service(
        0, deployment("new", rolloutState="IN_PROGRESS", failedTasks=2), deployment("old", "ACTIVE")
    )
    assert kinds(strip_of(rolling, []).incoming) == [FAIL, FAIL]


def test_failures_end_with_the_deployment() -> None:
    assert kinds(strip_of(service(1, deployment("new")), [task(1), failed(2)]).outgoing) == [OK]


def test_task_stopped_by_scaling_is_no_failure_but_by_health_checks_is() -> None:
    rolling = service(0, deployment("new", rolloutState="IN_PROGRESS"), deployment("old", "ACTIVE"))
    scaled = failed(
        1, stop_code="ServiceSchedulerInitiated", stopped_reason="Scaling activity initiated by x"
    )
    unhealthy = failed(
        2, stop_code="ServiceSchedulerInitiated", stopped_reason="Task failed ELB health checks in x"
    )
    assert [cell.task_id for cell in strip_of(rolling, [scaled, unhealthy]).incoming] == [unhealthy.task_id]


def test_deployment_that_is_backed_out_stays_on_the_incoming_side() -> None:
    backed_out = service(
        2,
        deployment("back", revision=7, rolloutState="IN_PROGRESS"),
        deployment("bad", "ACTIVE", 8, rolloutState="FAILED"),
    )
    strip = strip_of(backed_out, [task(1, "first"), task(2, "back"), failed(3, started_by="bad")])
    assert kinds(strip.outgoing) == [OK, OK]
    assert kinds(strip.incoming) == [FAIL]
    assert strip.incoming_revision == ":8"


@pytest.mark.parametrize(("count", "form"), [(0, "one"), (18, "one"), (19, "two"), (60, "two"), (61, "bar")])
def test_form_follows_the_number_of_cells(count: int, form: str) -> None:
    assert strip_of(service(count, deployment("new")), [task(n) for n in range(count)]).form == form


def test_bar_has_the_same_order_and_fills_its_width() -> None:
    rolling = service(80, deployment("new", rolloutState="IN_PROGRESS"), deployment("old", "ACTIVE"))
    tasks = [task(n, "old") for n in range(30)] + [task(100 + n) for n in range(40)]
    strip = strip_of(rolling, [*tasks, *[task(200 + n, last_status="PENDING") for n in range(10)]])
    assert [segment.fill for segment in strip.segments] == ["out", "cut", "inc", "pend"]
    assert sum(float(segment.width.rstrip("%")) for segment in strip.segments) == pytest.approx(100, abs=0.1)


def test_old_figures_say_so() -> None:
    strip = strip_of(service(1, deployment("new"), status="unknown"), [task(1)])
    assert strip.is_stale
    assert strip.spoken == "As last seen: 1 running and healthy."


def test_nothing_desired_has_no_cells() -> None:
    assert strip_of(service(0, deployment("new")), []).spoken == "No tasks."


def test_every_kind_has_a_word() -> None:
    from clusters.strip import WORDS

    assert set(WORDS) == set(CellKind)
