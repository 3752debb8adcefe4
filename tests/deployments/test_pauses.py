"""A paused deployment on its pages, with both sides compared by figures that were measured, or a reason why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from clusters.models import TaskDefinition
from deployments.comparing import (
    ERROR_LINES,
    ERRORS_5XX,
    MEMORY,
    RESPONSE_P95,
    RESTARTS,
    Figure,
    Measure,
    Row,
    Verdict,
)
from deployments.models import Change
from deployments.pause_figures import Clock, Comparison, compare
from deployments.pauses import pause_in
from deployments.states import State
from sandbox.images import BEHAVIOURS
from sandbox.ports import Caller
from tests.builders import make_change
from tests.deployments.pages import at
from tests.deployments.rig import ADMIN, Rig
from tests.deployments.staged import BALANCER, canary, newest, paused, staged, until_paused

AsPerson = Callable[[str], Client]
FRAGMENT = {"HX-Request": "true"}
GROUP = "/ecs/checkout-api"


@pytest.mark.parametrize(
    ("measure", "before", "after", "verdict"),
    [
        (ERRORS_5XX, 0.02, 0.02, Verdict.SAME),
        (ERRORS_5XX, 0.02, 0.2, Verdict.SIMILAR),
        (ERRORS_5XX, 0.02, 0.5, Verdict.HIGHER),
        (RESPONSE_P95, 84, 91, Verdict.SIMILAR),
        (RESPONSE_P95, 84, 120, Verdict.HIGHER),
        (RESPONSE_P95, 900, 930, Verdict.SAME),
        (MEMORY, 63, 72, Verdict.HIGHER),
        (MEMORY, 72, 63, Verdict.LOWER),
        (ERROR_LINES, 0.4, 0.3, Verdict.SAME),
        (ERROR_LINES, 10, 12, Verdict.SIMILAR),
        (RESTARTS, 0, 0, Verdict.SAME),
        (RESTARTS, 0, 1, Verdict.HIGHER),
    ],
)
def test_verdict_follows_the_thresholds(
    measure: Measure, before: float, after: float, verdict: Verdict
) -> None:
    assert Row(measure, Figure(before), Figure(after)).verdict is verdict


def test_what_is_not_known_has_no_verdict_and_says_why() -> None:
    row = Row(MEMORY, Figure(63), Figure(why="No figures yet."))
    assert (row.verdict, row.after, row.difference, row.why) == (
        Verdict.UNKNOWN,
        "not known",
        "",
        "No figures yet.",
    )


def test_differences_are_signed_and_nothing_is_none() -> None:
    assert Row(RESPONSE_P95, Figure(84.2), Figure(91)).difference == "+7 ms"
    assert Row(ERROR_LINES, Figure(0.4), Figure(0.3)).difference == "−0.1"
    assert Row(RESTARTS, Figure(2), Figure(2)).difference == "none"
    assert Row(MEMORY, Figure(63), Figure(72)).difference == "+9 points"
    assert Row(MEMORY, Figure(44.4), Figure(44.6)).difference == "+1 point", "it is between what is shown"
    assert Row(RESPONSE_P95, Figure(84), Figure(83)).difference == "−1 ms"


def insights(rig: Rig) -> None:
    """Switch Container Insights on."""
    settings = [{"name": "containerInsights", "value": "enabled"}]
    answer = rig.call("UpdateClusterSettings", cluster="prod", settings=settings)
    rig.cluster.facts = {"settings": answer["cluster"]["settings"]}
    rig.cluster.save()


def logging(rig: Rig) -> None:
    """Have the containers write to CloudWatch Logs from now on."""
    for row in TaskDefinition.objects.all():
        for container in row.facts["containerDefinitions"]:
            options = {"awslogs-group": GROUP, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "app"}
            container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
        row.save()


def write(rig: Rig, group: str, stream: str, *lines: str) -> None:
    at_ = rig.now - timedelta(seconds=5)
    caller = Caller(ADMIN.account_id, ADMIN.region, ADMIN.principal_arn)
    rig.sandbox.surroundings.write_log(
        caller, group, stream, [(at_, line) for line in lines], create_group=True
    )


def compared(rig: Rig, **more: Any) -> Comparison:
    rig.sync()
    pause = pause_in(newest(rig).facts)
    assert pause is not None
    return compare(rig.service, pause, rig.now, **more)


def rows(comparison: Comparison) -> dict[str, Row]:
    return {row.title: row for row in comparison.rows}


def mid_canary(rig: Rig) -> None:
    """Hold a deployment after a tenth of the traffic has moved."""
    paused(rig, stage="POST_PRODUCTION_TRAFFIC_SHIFT")
    rig.world.advance(300)


def test_both_sides_come_from_their_own_target_groups(dev_rig: Rig) -> None:
    dev_rig.service.cluster.facts = {}
    paused(dev_rig)
    dev_rig.world.advance(300)
    found = rows(compared(dev_rig))["5xx responses"]
    assert found.outgoing.value is not None, found.why
    assert found.incoming.why == "No request reached that side since."


def test_traffic_that_moved_is_measured_on_the_new_side(dev_rig: Rig) -> None:
    mid_canary(dev_rig)
    found = rows(compared(dev_rig))
    assert found["5xx responses"].incoming.value is not None, found["5xx responses"].why
    assert found["Response p95"].incoming.value is not None


def test_a_young_pause_has_no_figures_yet(dev_rig: Rig) -> None:
    paused(dev_rig)
    found = rows(compared(dev_rig))["Response p95"]
    assert found.verdict is Verdict.UNKNOWN
    assert "whole minutes" in found.why


@pytest.mark.parametrize(
    ("tag", "verdicts"),
    [("v2", {Verdict.SAME, Verdict.SIMILAR}), ("v2-leak", {Verdict.HIGHER})],
)
def test_memory_of_both_sides_comes_from_container_insights(
    dev_rig: Rig, tag: str, verdicts: set[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A leak that is well above the usual use for most of the time measured here.
    monkeypatch.setitem(BEHAVIOURS, "-leak", replace(BEHAVIOURS["-leak"], exits_after=(660.0, 660.0)))
    insights(dev_rig)
    paused(dev_rig, tag)
    dev_rig.world.advance(500)
    found = rows(compared(dev_rig))["Memory, % of limit"]
    assert found.outgoing.value is not None, found.outgoing.why
    assert found.incoming.value is not None, found.incoming.why
    assert 0 < found.outgoing.value < 100
    assert found.verdict in verdicts


def test_error_lines_are_told_apart_by_task(dev_rig: Rig) -> None:
    paused(dev_rig)
    dev_rig.world.advance(60)
    dev_rig.sync()
    logging(dev_rig)
    dev_rig.service.tasks.update(started_at=dev_rig.now - timedelta(minutes=5))
    for task in dev_rig.service.tasks.all():
        is_new = task.task_definition_arn == dev_rig.facts()["taskDefinition"]
        errors = ["ERROR payment failed"] * (8 if is_new else 1)
        write(dev_rig, GROUP, f"app/app/{task.task_id}", "INFO no error here", *errors)
    dev_rig.world.advance(30)
    found = rows(compared_as_is(dev_rig))
    lines = found["Error lines per min"]
    assert lines.outgoing.value is not None, lines.why
    assert lines.incoming.value is not None
    assert lines.incoming.value == pytest.approx(8 * lines.outgoing.value)
    assert lines.verdict is Verdict.HIGHER


def compared_as_is(rig: Rig) -> Comparison:
    """Compare without reading the inventory anew: what a test changed there stays."""
    pause = pause_in(newest(rig).facts)
    assert pause is not None
    return compare(rig.service, pause, rig.now)


def test_second_step_of_a_canary_is_a_pause_of_its_own(dev_rig: Rig) -> None:
    first = paused(dev_rig, stage="PRE_PRODUCTION_TRAFFIC_SHIFT")
    assert (first.stage, first.share) == ("POST_TEST_TRAFFIC_SHIFT", "at 0% of traffic")
    assert first.since is not None
    dev_rig.call(
        "ContinueServiceDeployment",
        serviceDeploymentArn=first.arn,
        hookId=first.hook_id,
        action="CONTINUE",
    )
    dev_rig.world.advance(60)
    second = until_paused(dev_rig)
    assert second.hook_id != first.hook_id
    assert (second.stage, second.share) == ("PRODUCTION_TRAFFIC_SHIFT", "at 10% of traffic")
    assert second.going_on == "ECS moves the other 90% of the traffic too."
    assert second.since is not None
    assert first.since < second.since <= dev_rig.now
    dev_rig.world.advance(300)
    found = rows(compared(dev_rig))["5xx responses"]
    assert (found.outgoing.why, found.incoming.why) == ("", "")


def test_insights_that_are_off_are_the_reason(dev_rig: Rig) -> None:
    paused(dev_rig)
    found = rows(compared(dev_rig))
    assert "Container Insights is off in prod" in found["Memory, % of limit"].why
    assert "write to no log group" in found["Error lines per min"].why


def test_restarts_count_what_ended_since_and_was_not_meant_to(dev_rig: Rig) -> None:
    paused(dev_rig)
    dev_rig.sync()
    incoming = dev_rig.service.tasks.filter(task_definition_arn=dev_rig.facts()["taskDefinition"])
    first, second = incoming[:2]
    soon = dev_rig.now + timedelta(seconds=5)
    for task, reason in (
        (first, "Essential container in task exited"),
        (second, "Scaling activity initiated by (x)"),
    ):
        task.stopped_at, task.stopped_reason = soon, reason
        task.save()
    found = rows(compared_as_is(dev_rig))["Restarts"]
    assert (found.before, found.after, found.verdict) == ("0", "1", Verdict.HIGHER)


def test_time_that_is_over_is_said(dev_rig: Rig) -> None:
    paused(dev_rig)
    found = rows(compared(dev_rig, clock=Clock(0.0)))
    assert "Not asked" in found["5xx responses"].why
    assert "Not asked" in found["Error lines per min"].why
    assert found["Restarts"].verdict is Verdict.SAME


def test_one_target_group_is_not_told_apart(dev_rig: Rig) -> None:
    plain = {key: value for key, value in BALANCER.items() if key != "advancedConfiguration"}
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[plain])
    dev_rig.world.advance(240)
    paused_without_balancer(dev_rig)
    assert "Both sides are in one target group" in rows(compared(dev_rig))["Response p95"].why


def paused_without_balancer(rig: Rig) -> None:
    rig.push("v2")
    rig.call(
        "UpdateService",
        cluster="prod",
        service="checkout-api",
        taskDefinition=rig.define("v2"),
        deploymentConfiguration=canary(),
    )
    until_paused(rig)


def frozen(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def test_service_page_inbox_and_answer_page_show_a_pause_from_outside(dev_rig: Rig, as_: AsPerson) -> None:
    paused(dev_rig)
    service, alice = dev_rig.service, as_("alice")
    html = alice.get(at("service-actions", service), headers=FRAGMENT).content.decode()
    assert "Continue or roll back" in html
    page = reverse("service-deployment", args=[newest(dev_rig).pk])
    assert "?action=ROLLBACK" in alice.get(page).content.decode()
    assert "?action=ROLLBACK" not in as_("carol").get(page).content.decode()
    html = alice.get(reverse("approvals")).content.decode()
    assert "checkout-api is paused at 0% of traffic" in html
    assert "1 deployment is paused until somebody answers." in html
    assert "Nothing waits for you" not in html
    assert "1 waiting for you" in alice.get(reverse("rail-counts")).content.decode()
    assert "checkout-api is paused" not in as_("carol").get(reverse("approvals")).content.decode()
    html = alice.get(at("answer-pause", service)).content.decode()
    assert "Paused at 0% of traffic: continue or roll back" in html
    assert "rolls back by itself in" in html
    assert "ecs:ContinueServiceDeployment" in html
    form = {"action": "ROLLBACK", "do": "request", "plan_id": plan_id_in(alice, service, "ROLLBACK")}
    answer = alice.post(at("answer-pause", service), form)
    assert answer.status_code == 303
    change = Change.objects.get()
    assert (change.kind, change.spec["action"], change.state) == ("continue", "ROLLBACK", State.QUEUED)


def plan_id_in(client: Client, service: Any, action: str) -> str:
    html = client.get(at("answer-pause", service), {"action": action}).content.decode()
    return html.split('name="plan_id" value="', 1)[1].split('"', 1)[0]


def test_comparison_is_a_fragment_and_a_page(dev_rig: Rig, as_: AsPerson) -> None:
    paused(dev_rig)
    page = as_("carol").get(at("pause-comparison", dev_rig.service))
    assert page.status_code == 200
    html = as_("carol").get(at("pause-comparison", dev_rig.service), headers=FRAGMENT).content.decode()
    assert html.strip().startswith('<div class="stack tight" id="pause-comparison"')
    assert "Container Insights is off" in html


def test_change_page_has_the_gate_of_its_pause(dev_rig: Rig, people: dict[str, User], as_: AsPerson) -> None:
    staged(dev_rig)
    change = dev_rig.wake(dev_rig.deploy("v2"))
    until_paused(dev_rig)
    change = dev_rig.pass_time(change, 20)
    html = as_("alice").get(change.get_absolute_url()).content.decode()
    assert "Paused at 0% of traffic: continue or roll back" in html
    assert f"{at('answer-pause', dev_rig.service)}?action=CONTINUE" in html
    html = as_("carol").get(change.get_absolute_url()).content.decode()
    assert "?action=CONTINUE" not in html
    make_change(
        dev_rig.service,
        people["bob"],
        State.SUCCEEDED,
        kind="continue",
        spec={
            "action": "CONTINUE",
            "stage": "POST_TEST_TRAFFIC_SHIFT",
            "service_deployment_arn": change.progress["service_deployment_arn"],
        },
    )
    assert "Continue asked for" in as_("alice").get(change.get_absolute_url()).content.decode()


def test_first_deployment_to_two_groups_is_compared_with_the_one_before(dev_rig: Rig) -> None:
    plain = {key: value for key, value in BALANCER.items() if key != "advancedConfiguration"}
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[plain])
    dev_rig.world.advance(240)
    dev_rig.call(
        "UpdateService",
        cluster="prod",
        service="checkout-api",
        loadBalancers=[BALANCER],
        deploymentConfiguration=canary(),
    )
    until_paused(dev_rig)
    dev_rig.world.advance(240)
    found = rows(compared(dev_rig))["5xx responses"]
    assert found.outgoing.value is not None, found.why
