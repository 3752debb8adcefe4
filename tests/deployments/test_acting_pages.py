"""Restart, scale, roll back, stop a task: confirmation by risk, and buttons that say why they are off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from access.models import RoleBinding
from clusters.models import Service
from deployments.models import Change
from deployments.states import State
from tests.builders import make_change, make_service_deployment, make_task
from tests.deployments.pages import REPOSITORY, Registry, at, deployable, registry, task_at

__all__ = ["registry"]
AsPerson = Callable[[str], Client]
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _registry(registry: Registry) -> None:
    """No test of this module may reach ECR."""


def sha_in(html: str) -> str:
    return html.split('name="plan_id" value="', 1)[1].split('"', 1)[0]


def seen(client: Client, address: str, **fields: Any) -> dict[str, Any]:
    """Return a form whose plan was seen."""
    return {**fields, "plan_id": sha_in(client.get(address, fields).content.decode()), "do": "request"}


def buttons(client: Client, service: Service) -> str:
    return client.get(at("service-actions", service), headers=FRAGMENT).content.decode()


def test_one_click_is_enough_in_development(as_: AsPerson) -> None:
    service, alice = deployable("development"), as_("alice")
    assert 'name="do" value="now"' in buttons(alice, service)
    answer = alice.post(at("restart", service), {"do": "now"})
    change = Change.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, change.get_absolute_url())
    assert (change.kind, change.state) == ("restart", State.QUEUED)


def test_one_click_is_not_enough_in_staging(as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    assert 'name="do" value="now"' not in buttons(alice, service)
    assert alice.post(at("restart", service), {"do": "now"}).status_code == 409
    assert not Change.objects.exists()
    assert alice.post(at("restart", service), seen(alice, at("restart", service))).status_code == 303


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": "Leaks", "confirm": "checkout"}, "Type checkout-api to confirm."),
        ({"reason": "", "confirm": "checkout-api"}, "Give a reason"),
    ],
)
def test_production_asks_for_the_name_and_a_reason(fields: dict[str, str], said: str, as_: AsPerson) -> None:
    service, alice = deployable(), as_("alice")
    answer = alice.post(at("restart", service), seen(alice, at("restart", service)) | fields)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert said in html
    assert f'value="{fields["confirm"]}"' in html
    assert not Change.objects.exists()


def test_production_restarts_when_both_are_given(as_: AsPerson) -> None:
    service, alice = deployable(), as_("alice")
    form = seen(alice, at("restart", service)) | {"reason": "Leaks memory", "confirm": "checkout-api"}
    assert alice.post(at("restart", service), form).status_code == 303


def test_scaling_shows_what_is_and_warns_of_zero(as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    html = alice.get(at("scale", service)).content.decode()
    assert "now 2 desired, 2 running" in html
    assert "100% to 200%" in html
    assert "change the count" in html
    html = alice.get(at("scale", service), {"desired_count": 0}).content.decode()
    assert "Scaling to zero stops every task." in html
    form = seen(alice, at("scale", service), desired_count=5)
    assert alice.post(at("scale", service), form).status_code == 303
    assert Change.objects.get().spec == {"desired_count": 5}


@pytest.mark.parametrize("hour", ["", "soon", "2026-02-30T10:00", "2020-01-01T10:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("headers", [{}, FRAGMENT])
def test_hour_that_cannot_be_meant_is_said_at_its_field_and_begins_nothing(
    hour: str, headers: dict[str, str], as_: AsPerson
) -> None:
    service, alice = deployable("staging"), as_("alice")
    form = seen(alice, at("restart", service)) | {"when": "at", "at": hour}
    answer = alice.post(at("restart", service), form, headers=headers)
    assert answer.status_code == (200 if headers else 422)
    assert headers or 'id="e-at"' in answer.content.decode()
    assert not Change.objects.exists()


@pytest.mark.parametrize("count", ["", "-1", "many", "1e3", "99999999"])
def test_a_count_that_is_none_is_422(count: str, as_: AsPerson) -> None:
    answer = as_("alice").post(at("scale", deployable("staging")), {"desired_count": count})
    assert answer.status_code == 422
    assert not Change.objects.exists()


def test_rolling_back_offers_what_succeeded_with_its_diff(as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    failed = make_service_deployment(
        service,
        status="ROLLBACK_SUCCESSFUL",
        task_definition_arn=service.task_definition_arn.replace(":7", ":9"),
    )
    html = alice.get(at("rollback", service)).content.decode()
    assert "Roll back to :6" in html
    assert f'value="{failed.pk}"' not in html
    assert "shop/checkout-api:v" in html


def test_a_rollout_in_flight_is_stopped_first(as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    running = make_service_deployment(service, status="IN_PROGRESS", finished_at=None)
    service.facts["deployments"][0]["rolloutState"] = "IN_PROGRESS"
    service.facts["currentServiceDeployment"] = running.arn
    service.save()
    assert "Stop and roll back" in buttons(alice, service)
    html = alice.get(at("rollback", service)).content.decode()
    assert "Stop the rollout in flight and roll back" in html
    assert "ecs:StopServiceDeployment" in html


def test_a_rollback_to_what_never_succeeded_is_refused(as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    failed = make_service_deployment(service, status="ROLLBACK_SUCCESSFUL")
    form = {"to": failed.pk, "do": "request", "plan_id": "x"}
    answer = alice.post(at("rollback", service), form)
    assert answer.status_code == 409
    assert "only one that was SUCCESSFUL" in answer.content.decode()
    assert not Change.objects.exists()


def test_a_task_is_stopped_by_a_change(as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    task = make_task(service)
    address = task_at("stop-task", task)
    html = alice.get(address).content.decode()
    assert "SIGTERM" in html
    form = {"do": "request", "plan_id": sha_in(html)}
    assert alice.post(address, form).status_code == 303
    assert Change.objects.get().spec["task_id"] == task.task_id
    again = alice.get(task_at("task-actions", task), headers=FRAGMENT).content.decode()
    assert "It is stopping." in again


def test_a_task_of_no_service_is_not_ours_to_stop(as_: AsPerson) -> None:
    task = make_task(deployable("staging"))
    task.service = None
    task.save()
    assert as_("alice").get(task_at("stop-task", task)).status_code == 409
    html = as_("alice").get(task_at("task-actions", task), headers=FRAGMENT).content.decode()
    assert "belongs to no service" in html


def test_buttons_are_off_with_the_role_that_is_missing(as_: AsPerson) -> None:
    html = buttons(as_("carol"), deployable())
    assert html.count('aria-disabled="true"') == 5
    assert (
        "To roll back, restart, scale, run task or deploy here you need the role operator, on-call or release manager."
        in html
    )
    assert "<a " not in html


def test_a_deny_is_said_as_it_is(people: dict[str, User], as_: AsPerson) -> None:
    RoleBinding.objects.create(user=people["alice"], role="operator", effect="deny", service="checkout-api")
    # A deny of the role takes seeing away as well, so the service is not found.
    assert as_("alice").get(at("service-actions", deployable())).status_code == 404


def test_buttons_are_off_while_a_change_is_active(people: dict[str, User], as_: AsPerson) -> None:
    service = deployable()
    change = make_change(service, people["bob"])
    html = buttons(as_("alice"), service)
    # The way back stays open: what has not begun gives way to it.
    assert html.count('aria-disabled="true"') == 3
    assert f"CR-{change.pk} is awaiting approval: cancel it, or wait for its end." in html
    assert change.get_absolute_url() in html


def test_the_way_back_stays_open_while_a_change_runs(people: dict[str, User], as_: AsPerson) -> None:
    service = deployable()
    change = make_change(service, people["bob"], State.RUNNING)
    html = buttons(as_("alice"), service)
    assert html.count('aria-disabled="true"') == 3
    assert f'id="act-rollback" href="{change.get_absolute_url()}"' in html


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"deployment_controller": "CODE_DEPLOY"}, "CODE_DEPLOY"),
        ({"ecs_status": "DRAINING"}, "This service is DRAINING."),
    ],
)
def test_buttons_are_off_where_ecs_does_not_roll_out(
    fields: dict[str, str], said: str, as_: AsPerson
) -> None:
    html = buttons(as_("alice"), deployable(**fields))
    assert html.count('aria-disabled="true"') == 5
    assert said in html


def test_the_button_of_a_form_follows_what_is_typed(as_: AsPerson) -> None:
    service, alice = deployable(), as_("alice")
    form = seen(alice, at("restart", service)) | {"reason": "Leaks", "confirm": "checkout-"}
    html = alice.post(at("restart", service) + "?part=act-ready", form, headers=FRAGMENT).content.decode()
    assert "One thing left: finish typing the name." in html
    assert not Change.objects.exists()


def test_approving_ones_own_change_is_refused_also_without_the_button(
    people: dict[str, User], as_: AsPerson
) -> None:
    service, bob = deployable(), as_("bob")
    change = make_change(service, people["bob"])
    html = bob.get(change.get_absolute_url()).content.decode()
    assert reverse("approve-change", args=[change.pk]) not in html
    assert "You asked for this change yourself" in html
    assert bob.post(reverse("approve-change", args=[change.pk])).status_code == 403
    change.refresh_from_db()
    assert change.state == State.AWAITING_APPROVAL


def test_the_inbox_shows_what_waits_for_me_with_its_risks(people: dict[str, User], as_: AsPerson) -> None:
    service = deployable(status="degraded", facts={"deploymentConfiguration": {}})
    change = make_change(service, people["alice"])
    html = as_("bob").get(reverse("approvals")).content.decode()
    for said in (
        f"CR-{change.pk}",
        "Service is degraded now",
        "Circuit breaker off",
        "First deploy of v2 here",
    ):
        assert said in html
    assert reverse("approve-change", args=[change.pk]) in html
    assert "Waiting for you <b>0</b>" in as_("alice").get(reverse("approvals")).content.decode()
    mine = as_("alice").get(reverse("approvals"), {"show": "mine"}).content.decode()
    assert "Ask bob." in mine
    assert reverse("approve-change", args=[change.pk]) not in mine


def test_a_stale_request_says_what_moved(people: dict[str, User], as_: AsPerson) -> None:
    moved = "The task definition moved from :6 to :7."
    make_change(deployable(), people["alice"], State.STALE, outcome=moved)
    assert moved in as_("alice").get(reverse("approvals"), {"show": "mine"}).content.decode()


def test_a_rejection_carries_its_comment(people: dict[str, User], as_: AsPerson) -> None:
    change = make_change(deployable(), people["alice"])
    as_("bob").post(reverse("reject-change", args=[change.pk]), {"comment": "Wait for the freeze"})
    html = as_("alice").get(change.get_absolute_url()).content.decode()
    assert "Wait for the freeze" in html
    assert "Rejected" in html


def test_a_move_that_the_state_does_not_allow_is_409(people: dict[str, User], as_: AsPerson) -> None:
    change = make_change(deployable(), people["alice"], State.SUCCEEDED)
    bob = as_("bob")
    for view in ("approve-change", "cancel-change", "rollback-change"):
        assert bob.post(reverse(view, args=[change.pk])).status_code == 409


def test_changes_are_found_by_number_state_and_person(people: dict[str, User], as_: AsPerson) -> None:
    first = make_change(deployable(), people["alice"])
    second = make_change(deployable("staging", name="billing"), people["bob"], State.FAILED)

    def shown(**filters: str) -> set[int]:
        html = as_("carol").get(reverse("changes"), filters).content.decode()
        return {change.pk for change in (first, second) if f'id="change-{change.pk}"' in html}

    assert shown() == {first.pk, second.pk}
    assert shown(q=f"CR-{second.pk}") == {second.pk}
    assert shown(q="checkout") == {first.pk}
    assert shown(state="active") == {first.pk}
    assert shown(state="failed") == {second.pk}
    assert shown(requester="BOB") == {second.pk}
    assert shown(environment="staging") == {second.pk}
    assert shown(kind="restart") == set()


def test_a_rollback_whose_tag_moved_offers_the_images_that_ran(registry: Registry, as_: AsPerson) -> None:
    service, alice = deployable("staging"), as_("alice")
    ran = registry.images[0].digest
    images = [{"container": "app", "image": f"{REPOSITORY}:v6", "digest": ran}]
    target = make_service_deployment(
        service, task_definition_arn=service.task_definition_arn.replace(":7", ":6"), images=images
    )
    html = alice.get(at("rollback", service), {"to": target.pk}).content.decode()
    assert 'value="pinned" id="images-pinned" checked' in html
    assert "ecs:RegisterTaskDefinition" in html
    html = alice.get(at("rollback", service), {"to": target.pk, "images": "tags"}).content.decode()
    assert 'value="tags" id="images-tags" checked' in html
    assert "whatever the tag names now" in html
    assert "ecs:RegisterTaskDefinition" not in html
