"""The composer: what it keeps, what it never shows, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from aws.errors import AwsAccessDenied
from clusters.models import Service
from deployments.models import Change
from deployments.sealing import open_sealed
from deployments.states import State
from tests.builders import make_change, make_task_definition
from tests.deployments.pages import REPOSITORY, Registry, at, deployable, registry

__all__ = ["registry"]
AsPerson = Callable[[str], Client]
FRAGMENT = {"HX-Request": "true"}


def plan_id(html: str) -> str:
    return html.split('name="plan_id" value="', 1)[1].split('"', 1)[0]


def fill(client: Client, service: Service, **fields: str) -> dict[str, str]:
    """Return a form that was filled in and whose plan was seen."""
    html = client.post(at("deploy", service), fields, headers=FRAGMENT).content.decode()
    return {**fields, "plan_id": plan_id(html), "do": "request"}


def confirmed(**fields: str) -> dict[str, str]:
    return {"reason": "Fix the cart", "ticket": "SHOP-1", "confirm": "checkout-api", **fields}


def test_a_deploy_to_production_asks_for_approval(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable(), as_("alice")
    answer = alice.post(
        at("deploy", service), fill(alice, service, **confirmed(**{"pick.app": f"{REPOSITORY}:v9"}))
    )
    change = Change.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, change.get_absolute_url())
    assert (change.state, change.ticket) == (State.AWAITING_APPROVAL, "SHOP-1")
    assert change.spec == {"containers": {"app": {"image": f"{REPOSITORY}:v9"}}}


def test_following_the_form_changes_nothing(as_: AsPerson, registry: Registry) -> None:
    service = deployable()
    html = as_("alice").post(at("deploy", service), {"image.app": "v9"}, headers=FRAGMENT).content.decode()
    assert 'id="deploy-plan"' in html
    assert 'id="deploy-diff" hx-swap-oob="outerMorph"' in html
    assert "ecs:RegisterTaskDefinition" in html
    assert 'name="image.app"' not in html, "the fields themselves are left alone"
    assert not Change.objects.exists()


def test_the_button_says_what_is_left(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable(), as_("alice")
    html = alice.get(at("deploy", service)).content.decode()
    assert "Three things left: change something, give a reason, type checkout-api." in html
    ready = confirmed(plan_state="ok", confirm="checkout-")
    html = alice.post(at("deploy", service) + "?part=ready", ready, headers=FRAGMENT).content.decode()
    assert "One thing left: finish typing the name." in html
    html = alice.post(
        at("deploy", service) + "?part=ready", confirmed(plan_state="ok"), headers=FRAGMENT
    ).content.decode()
    assert "left:" not in html
    assert "aria-disabled" not in html


def test_an_error_keeps_what_was_typed_and_never_shows_a_value(as_: AsPerson, registry: Registry) -> None:
    service = deployable()
    typed = confirmed(
        **{
            "memory.app": "lots",
            "env-do.app.LOG_LEVEL": "set",
            "env.app.LOG_LEVEL": "hunter2-value",
            "env-name.app": "NEW_ONE",
            "env-value.app": "s3cret-value",
            "reason": "Because of it",
            "do": "request",
        }
    )
    answer = as_("alice").post(at("deploy", service), typed)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="lots"' in html
    assert "Because of it" in html
    assert 'value="NEW_ONE"' in html
    assert "hunter2-value" not in html
    assert "s3cret-value" not in html
    sealed = html.split('name="env-sealed.app.LOG_LEVEL" value="', 1)[1].split('"', 1)[0]
    assert open_sealed(sealed) == "hunter2-value"


def test_a_value_that_came_back_sealed_is_deployed(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("development"), as_("alice")
    first = {"memory.app": "lots", "env-do.app.LOG_LEVEL": "set", "env.app.LOG_LEVEL": "debug"}
    html = alice.post(at("deploy", service), {**first, "do": "request"}).content.decode()
    sealed = html.split('name="env-sealed.app.LOG_LEVEL" value="', 1)[1].split('"', 1)[0]
    again = {"env-do.app.LOG_LEVEL": "set", "env-sealed.app.LOG_LEVEL": sealed}
    alice.post(at("deploy", service), fill(alice, service, **again))
    asked = Change.objects.get().spec["containers"]["app"]["environment"]["LOG_LEVEL"]
    assert open_sealed(asked) == "debug"


def test_a_forged_sealed_value_counts_as_none(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("development"), as_("alice")
    form = {"env-do.app.LOG_LEVEL": "set", "env-sealed.app.LOG_LEVEL": "gAAAAforged"}
    alice.post(at("deploy", service), fill(alice, service, **form))
    asked = Change.objects.get().spec["containers"]["app"]["environment"]["LOG_LEVEL"]
    assert open_sealed(asked) == ""


def test_variables_and_secrets_are_added_changed_and_removed(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("development"), as_("alice")
    form: dict[str, Any] = {
        "env-do.app.LOG_LEVEL": "remove",
        "env-name.app": "CACHE_MB",
        "env-value.app": "128",
        "secret-do.app.DB_PASSWORD": "set",
        "secret.app.DB_PASSWORD": "arn:aws:ssm:us-east-1:111122223333:parameter/db2",
    }
    alice.post(at("deploy", service), fill(alice, service, **form))
    asked = Change.objects.get().spec["containers"]["app"]
    assert asked["environment"]["LOG_LEVEL"] is None
    assert open_sealed(asked["environment"]["CACHE_MB"]) == "128"
    assert asked["secrets"] == {"DB_PASSWORD": "arn:aws:ssm:us-east-1:111122223333:parameter/db2"}


def test_a_plan_that_moved_is_409_and_shows_the_new_plan(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable(), as_("alice")
    form = fill(alice, service, **confirmed(**{"image.app": "v9"}))
    role = {"executionRoleArn": "arn:aws:iam::111122223333:role/execution"}
    newer = make_task_definition(service, 8, facts=role)
    service.facts["deployments"][0]["taskDefinition"] = newer.arn
    service.facts["taskDefinition"] = service.task_definition_arn = newer.arn
    service.save()
    answer = alice.post(at("deploy", service), form)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "The plan is out of date. Nothing was changed." in html
    assert plan_id(html) != form["plan_id"]
    assert "Fix the cart" in html
    assert alice.post(at("deploy", service), {**form, "plan_id": plan_id(html)}).status_code == 303


def test_a_production_deploy_without_the_typed_name_is_not_made(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable(), as_("alice")
    answer = alice.post(
        at("deploy", service), fill(alice, service, **confirmed(**{"image.app": "v9"}, confirm="checkout"))
    )
    assert answer.status_code == 422
    assert "Type checkout-api to confirm." in answer.content.decode()
    assert not Change.objects.exists()


def test_another_active_change_is_409_with_the_way_to_it(
    people: dict[str, User], as_: AsPerson, registry: Registry
) -> None:
    service, alice = deployable(), as_("alice")
    form = fill(alice, service, **confirmed(**{"image.app": "v9"}))
    active = make_change(service, people["bob"], State.RUNNING)
    answer = alice.post(at("deploy", service), form)
    assert answer.status_code == 409
    assert active.get_absolute_url() in answer.content.decode()


def test_an_image_that_is_not_in_ecr_disables_the_button(as_: AsPerson, registry: Registry) -> None:
    html = (
        as_("alice")
        .post(at("deploy", deployable()), {"image.app": "v404"}, headers=FRAGMENT)
        .content.decode()
    )
    assert "is not in ECR" in html
    assert "resolve the refused check" in html


def test_tags_are_listed_with_what_became_of_them(as_: AsPerson, registry: Registry) -> None:
    service = deployable()
    address = at("image-tags", service)
    html = as_("alice").get(address, {"container": "app"}, headers=FRAGMENT).content.decode()
    assert f'value="{REPOSITORY}:v9"' in html
    assert "running now" in html
    html = as_("alice").get(address, {"container": "app", "q": "v8"}, headers=FRAGMENT).content.decode()
    assert ":v8" in html
    assert ":v9" not in html
    assert as_("alice").get(address, {"container": "none"}, headers=FRAGMENT).status_code == 404


def test_a_registry_that_refuses_says_so_and_leaves_the_free_entry(as_: AsPerson, registry: Registry) -> None:
    registry.error = AwsAccessDenied(
        action="ecr:DescribeImages", code="AccessDeniedException", message="No.", request_id="req-7"
    )
    service = deployable()
    html = (
        as_("alice").get(at("image-tags", service), {"container": "app"}, headers=FRAGMENT).content.decode()
    )
    for said in ("ecr:DescribeImages", "AccessDeniedException", "req-7", "Type a tag or a digest below"):
        assert said in html
    page = as_("alice").get(at("image-tags", service), {"container": "app"}, follow=True).content.decode()
    assert 'name="image.app"' in page
    assert "ECR did not answer" in page


def test_a_link_fills_the_form_in_but_carries_no_values(as_: AsPerson, registry: Registry) -> None:
    address = at("deploy", deployable())
    query = {"image.app": "v9", "memory.app": "1024", "env.app.LOG_LEVEL": "debug"}
    html = as_("alice").get(address, query).content.decode()
    assert "image, memory limit changed" in html
    assert "debug" not in html


def test_a_form_starts_from_an_older_change(
    people: dict[str, User], as_: AsPerson, registry: Registry
) -> None:
    service = deployable()
    spec = {"containers": {"app": {"image": f"{REPOSITORY}:v8", "memory": 768}}}
    change = make_change(service, people["alice"], State.STALE, spec=spec)
    html = as_("alice").get(at("deploy", service), {"change": change.pk}).content.decode()
    assert f'value="{REPOSITORY}:v8"' in html
    assert 'value="768"' in html


def test_it_works_in_two_steps_without_javascript(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("staging"), as_("alice")
    page = alice.post(at("deploy", service), {"image.app": "v9", "do": "plan"})
    html = page.content.decode()
    assert page.status_code == 200
    assert "ecs:UpdateService" in html
    form = {"image.app": "v9", "do": "request", "plan_id": plan_id(html)}
    assert alice.post(at("deploy", service), form).status_code == 303
    assert Change.objects.get().state == State.QUEUED
