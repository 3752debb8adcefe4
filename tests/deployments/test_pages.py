"""Who gets which page, and that lists cost the same however long they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from deployments.models import Change
from deployments.states import State
from tests.builders import make_change, make_service, make_service_deployment, make_task
from tests.deployments.pages import Registry, at, deployable, registry, task_at

__all__ = ["registry"]
AsPerson = Callable[[str], Client]
EVERYBODY = ["alice", "bob", "carol", "dan", "erin", "mallory"]
SEERS = {"alice", "bob", "carol", "dan", "erin"}
OPERATORS = {"alice", "bob"}
FORMS = ["deploy", "restart", "scale", "rollback"]


@pytest.mark.parametrize("person", EVERYBODY)
@pytest.mark.parametrize("view", FORMS)
def test_forms_answer_404_to_the_blind_and_403_to_those_without_the_role(
    view: str, person: str, as_: AsPerson, registry: Registry
) -> None:
    service = deployable()
    expected = 200 if person in OPERATORS else 403 if person in SEERS else 404
    assert as_(person).get(at(view, service)).status_code == expected
    posted = as_(person).post(at(view, service), {"do": "request"}).status_code
    assert posted in ({409, 422, 200} if person in OPERATORS else {expected})
    assert not Change.objects.exists()


@pytest.mark.parametrize("person", EVERYBODY)
@pytest.mark.parametrize("view", ["service-actions", "service-deployments"])
def test_pages_of_a_service_are_for_those_who_see_it(view: str, person: str, as_: AsPerson) -> None:
    expected = 200 if person in SEERS else 404
    assert as_(person).get(at(view, deployable())).status_code == expected


@pytest.mark.parametrize("person", EVERYBODY)
def test_stopping_a_task_is_for_operators(person: str, as_: AsPerson) -> None:
    task = make_task(deployable())
    expected = 200 if person in OPERATORS else 403 if person in SEERS else 404
    assert as_(person).get(task_at("stop-task", task)).status_code == expected
    assert as_(person).get(task_at("task-actions", task)).status_code == (200 if person in SEERS else 404)


@pytest.mark.parametrize("person", EVERYBODY)
def test_a_change_is_seen_where_its_service_is(person: str, people: dict, as_: AsPerson) -> None:
    change = make_change(deployable(), people["alice"])
    assert as_(person).get(change.get_absolute_url()).status_code == (200 if person in SEERS else 404)


@pytest.mark.parametrize("person", EVERYBODY)
@pytest.mark.parametrize(
    ("view", "allowed"),
    [
        ("approve-change", {"bob"}),
        ("reject-change", {"bob"}),
        ("cancel-change", {"alice", "bob"}),
        ("rollback-change", {"alice", "bob"}),
    ],
)
def test_acts_on_a_change_need_their_permission(
    view: str, allowed: set[str], person: str, people: dict, as_: AsPerson
) -> None:
    state = State.RUNNING if view == "rollback-change" else State.AWAITING_APPROVAL
    change = make_change(deployable(), people["alice"], state)
    status = as_(person).post(reverse(view, args=[change.pk]), {"comment": "because"}).status_code
    # The base of this change is made up, so an approval finds that its target moved.
    assert status in ({303, 409} if person in allowed else {403} if person in SEERS else {404})
    assert as_("bob").get(reverse(view, args=[change.pk])).status_code == 405


@pytest.mark.parametrize("view", ["changes", "approvals", "deployment-history", "rail-counts"])
def test_lists_are_open_and_empty_for_those_who_see_nothing(view: str, people: dict, as_: AsPerson) -> None:
    service = deployable()
    make_change(service, people["alice"])
    assert service.name in as_("carol").get(reverse("changes")).content.decode()
    answer = as_("mallory").get(reverse(view))
    assert answer.status_code == 200
    assert service.name not in answer.content.decode()


@pytest.mark.parametrize("person", EVERYBODY)
def test_only_auditors_export(person: str, as_: AsPerson) -> None:
    assert as_(person).get(reverse("deployment-export")).status_code == (200 if person == "dan" else 403)


def test_a_stranger_signs_in_first(client: Client, db: None) -> None:
    assert client.get(reverse("changes")).status_code == 302


@pytest.mark.parametrize("view", ["changes", "approvals", "deployment-history"])
def test_lists_cost_the_same_queries_however_long(
    view: str, people: dict, as_: AsPerson, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    bob = as_("bob")
    for number in range(3):
        make_row(number, people)
    # The first request of a session also notes when the session began.
    bob.get(reverse(view))
    with django_assert_max_num_queries(26) as few:
        bob.get(reverse(view))
    for number in range(3, 20):
        make_row(number, people)
    with django_assert_max_num_queries(26) as many:
        bob.get(reverse(view))
    assert len(many) == len(few)


def make_row(number: int, people: dict) -> None:
    service = make_service(f"service-{number}")
    make_change(service, people["alice"])
    make_service_deployment(service)


def test_fragments_are_the_element_itself(people: dict, as_: AsPerson) -> None:
    change = make_change(deployable(), people["alice"])
    for address, ident in [
        (reverse("changes"), "changes"),
        (reverse("approvals"), "approvals"),
        (reverse("deployment-history"), "deployment-history"),
        (change.get_absolute_url(), "change"),
        (at("service-deployments", change.service), "service-deployments"),
    ]:
        html = as_("bob").get(address, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in html
        assert f'id="{ident}"' in html


def test_hostile_words_are_escaped(people: dict, as_: AsPerson) -> None:
    service = deployable()
    hostile = "<script>alert(1)</script>"
    change = make_change(service, people["alice"], title=hostile, reason=hostile, ticket=hostile)
    make_service_deployment(service, status="ROLLBACK_FAILED", status_reason=hostile)
    for address in [
        change.get_absolute_url(),
        reverse("changes"),
        reverse("approvals"),
        reverse("deployment-history"),
    ]:
        assert "<script>alert" not in as_("bob").get(address).content.decode()
