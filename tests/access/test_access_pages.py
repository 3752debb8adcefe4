from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.actions import change_binding
from access.decisions import ACTION_PHRASES, ACTIONS, ROLE_LABELS, ROLES
from access.models import BindingRequest, RoleBinding
from access.queries import Access, people_who_can
from access.resources import ANYWHERE, Resource
from audit.models import AuditEntry
from tests.builders import bind, make_cluster, make_person, make_service
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db
LIST = "bindings"


def page(as_: SignedIn, name: str, url: str, *args: Any, **query: str) -> str:
    return as_(name).get(reverse(url, args=args), query).content.decode()


def grant(as_: SignedIn, name: str, person: User, **fields: str) -> Any:
    data = {"subject": f"u-{person.pk}", "role": "viewer", "effect": "allow", **fields}
    return as_(name).post(reverse("binding-add"), data, follow=True)


def test_filters_in_the_address_find_bindings(as_: SignedIn, people: dict[str, User]) -> None:
    bind(people["mallory"], "operator", environment="staging", cluster="staging-core")
    group = Group.objects.create(name="night-shift")
    RoleBinding.objects.create(group=group, role="on_call", not_after="2026-01-01T00:00:00Z")
    everything = page(as_, "erin", LIST)
    assert "mallory" in everything
    assert "night-shift" in everything
    only = page(as_, "erin", LIST, environment="staging")
    assert "mallory" in only
    assert "night-shift" not in only
    assert "night-shift" in page(as_, "erin", LIST, state="ended")
    assert "night-shift" not in page(as_, "erin", LIST, state="now")
    assert "mallory" in page(as_, "erin", LIST, q="staging-core", by="place")
    assert "No binding matches" in page(as_, "erin", LIST, source="idp")


def test_list_costs_the_same_however_long_it_is(as_: SignedIn, people: dict[str, User]) -> None:
    erin = as_("erin")
    erin.get(reverse(LIST))
    with CaptureQueriesContext(
        connection,
    ) as few:
        erin.get(reverse(LIST))
    for number in range(20):
        bind(make_person(f"p{number}"), "viewer")
    with CaptureQueriesContext(connection) as many:
        erin.get(reverse(LIST))
    assert len(many) == len(few)


def test_grant_from_the_page_and_end_it(as_: SignedIn, people: dict[str, User]) -> None:
    answer = grant(as_, "erin", people["mallory"], environment="staging", not_after="2099-01-02T03:04")
    assert "Granted." in answer.content.decode()
    held = RoleBinding.objects.get(user=people["mallory"])
    assert f"{held.not_after:%Y-%m-%d %H:%M}" == "2099-01-02 03:04"
    form = page(as_, "erin", "binding", held.pk)
    assert 'value="2099-01-02T03:04"' in form
    seen = re.search(r'name="seen" value="(\w+)"', form)
    assert seen
    typed = {"role": "operator", "effect": "allow", "reason": "Ops", "seen": seen[1]}
    as_("erin").post(reverse("binding", args=[held.pk]), typed)
    held.refresh_from_db()
    assert (held.role, held.environment, held.not_after) == ("operator", "", None)
    as_("erin").post(reverse("binding-remove", args=[held.pk]), {"reason": "Left the team"})
    assert not RoleBinding.objects.filter(pk=held.pk).exists()
    assert AuditEntry.objects.get(action="binding.removed").reason == "Left the team"


def test_edit_of_what_somebody_else_changed_meanwhile_is_not_written_over(
    as_: SignedIn, people: dict[str, User]
) -> None:
    held = bind(people["mallory"], "operator", environment="staging")
    form = page(as_, "erin", "binding", held.pk)
    seen = re.search(r'name="seen" value="(\w+)"', form)
    # Another admin narrows it while the form is open.
    change_binding(binding=held, values={"role": "viewer"}, actor=people["erin"])
    typed = {"role": "operator", "effect": "allow", "environment": "staging", "service": "cart-*"}
    answer = as_("erin").post(
        reverse("binding", args=[held.pk]), {**typed, "seen": seen[1] if seen else "", "reason": "Ops"}
    )
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "changed after this form was opened" in text
    assert 'value="cart-*"' in text
    held.refresh_from_db()
    assert (held.role, held.service) == ("viewer", "")


def test_form_that_the_rules_refuse_keeps_what_was_typed(as_: SignedIn, people: dict[str, User]) -> None:
    answer = grant(as_, "erin", people["erin"], role="operator", service="cart-*", reason="Night shift")
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "there is nobody but you" in text
    assert 'value="cart-*"' in text
    assert 'value="Night shift"' in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"environment": "prod"}, "not one of the available choices"),
        ({"account_id": "1234"}, "12 digits"),
        ({"subject": ""}, "Choose a person"),
        ({"subject": "u-999999"}, "not one of the available choices"),
        ({"not_after": "2020-01-01T00:00"}, "over already"),
    ],
)
def test_binding_that_would_bind_nothing_is_refused(
    as_: SignedIn, people: dict[str, User], fields: dict[str, str], sentence: str
) -> None:
    answer = grant(as_, "erin", people["mallory"], **fields)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not RoleBinding.objects.filter(user=people["mallory"]).exists()


def test_refusals_of_the_rules_are_pages_that_explain(as_: SignedIn, people: dict[str, User]) -> None:
    gina = make_person("gina")
    bind(gina, "admin", environment="staging")
    as_.people["gina"] = gina
    refused = grant(as_, "gina", people["mallory"])
    assert refused.status_code == 403
    assert "in all of it" in refused.content.decode()
    own = RoleBinding.objects.get(user=people["erin"])
    last = as_("erin").post(reverse("binding-remove", args=[own.pk]))
    assert last.status_code == 409
    assert "Somebody has to manage access" in last.content.decode()


def test_second_person_agrees_on_the_page(as_: SignedIn, people: dict[str, User], settings: Any) -> None:
    settings.ACCESS_SECOND_PERSON = True
    as_.people["frank"] = make_person("frank")
    bind(as_.people["frank"], "admin")
    asked = grant(as_, "erin", people["mallory"], role="operator", reason="OPS-7").content.decode()
    assert "waits for a second person" in asked
    assert "Withdraw" in asked
    waiting = page(as_, "frank", LIST)
    assert "mallory as operator everywhere" in waiting
    assert "OPS-7" in waiting
    request = BindingRequest.objects.get()
    assert as_("erin").post(reverse("access-request-approve", args=[request.pk])).status_code == 409
    as_("frank").post(reverse("access-request-approve", args=[request.pk]))
    assert RoleBinding.objects.get(user=people["mallory"]).role == "operator"


def test_person_page_shows_what_they_hold_and_shuts_them_out(as_: SignedIn, people: dict[str, User]) -> None:
    alice = as_("alice")
    group = Group.objects.create(name="night-shift")
    RoleBinding.objects.create(group=group, role="on_call")
    as_("erin").post(reverse("person-join", args=[people["alice"].pk]), {"group": group.pk})
    shown = page(as_, "erin", "person", people["alice"].pk)
    assert "group night-shift" in shown
    as_("erin").post(reverse("person-disable", args=[people["alice"].pk]), {"reason": "Laptop stolen"})
    assert alice.get(reverse("profile")).status_code == 302
    assert AuditEntry.objects.get(action="person.disabled").reason == "Laptop stolen"
    assert "Disabled" in page(as_, "erin", "people", active="no")
    as_("erin").post(reverse("person-enable", args=[people["alice"].pk]))
    assert User.objects.get(pk=people["alice"].pk).is_active


def test_what_is_granted_and_taken_counts_at_the_next_click(as_: SignedIn, people: dict[str, User]) -> None:
    service = make_service("checkout-api", make_cluster("prod-core"))
    mallory, restart = as_("mallory"), reverse("restart", args=service.url_args)
    assert mallory.get(restart).status_code == 404
    grant(as_, "erin", people["mallory"])
    assert mallory.get(restart).status_code == 403
    grant(as_, "erin", people["mallory"], role="operator")
    assert mallory.get(restart).status_code == 200
    grant(as_, "erin", people["mallory"], role="operator", effect="deny", cluster="prod-*")
    # The role that is denied has looking in it.
    assert mallory.get(restart).status_code == 404
    for held in RoleBinding.objects.filter(user=people["mallory"]):
        as_("erin").post(reverse("binding-remove", args=[held.pk]))
    assert mallory.get(restart).status_code == 404


def test_admin_of_a_place_sees_the_pages(as_: SignedIn, people: dict[str, User]) -> None:
    as_.people["gina"] = make_person("gina")
    bind(as_.people["gina"], "admin", environment="staging")
    for name in (LIST, "people", "binding-add"):
        assert as_("gina").get(reverse(name)).status_code == 200


@pytest.mark.parametrize(
    ("name", "shown", "hidden"),
    [
        ("erin", ["Access", "People", "Tokens"], []),
        ("alice", ["Your API tokens"], ["People", "New people"]),
        ("mallory", ["Your sign-in"], ["People", "Accounts"]),
    ],
)
def test_index_of_settings_offers_what_opens(
    as_: SignedIn, people: dict[str, User], name: str, shown: list[str], hidden: list[str]
) -> None:
    index = page(as_, name, "settings")
    listed = re.findall(r'<li><a href="([^"]+)">.*?<b>([^<]+)</b>', index)
    titles = [title for _, title in listed]
    assert set(shown) <= set(titles)
    assert not set(hidden) & set(titles)
    client = as_(name)
    assert [client.get(address).status_code for address, _ in listed] == [200] * len(listed)


# Every refusal says what is missing and who can give it.


def test_refusal_names_the_permission_and_who_can_give_it(as_: SignedIn, people: dict[str, User]) -> None:
    service = make_service("checkout-api", make_cluster("prod-core"))
    bind(make_person("gina"), "admin", environment="staging")
    bind(make_person("hank"), "admin", service="checkout-*")
    refused = as_("carol").get(reverse("deploy", args=service.url_args))
    text = refused.content.decode()
    assert refused.status_code == 403
    assert "service.deploy" in text
    assert "erin, hank" in text
    assert "gina" not in text


def test_refusal_of_a_console_without_an_admin_says_so(as_: SignedIn, people: dict[str, User]) -> None:
    RoleBinding.objects.filter(role="admin").delete()
    assert "manage.py grant" in page(as_, "carol", "audit")


def test_many_who_can_give_it_are_counted(as_: SignedIn, people: dict[str, User]) -> None:
    for number in range(7):
        bind(make_person(f"boss{number}"), "admin")
    assert "boss4 and 3 more" in page(as_, "carol", "audit")


PLACES = [{}, {"environment": "staging"}, {"cluster": "prod-*"}]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(sorted(ROLES)),
            st.sampled_from(PLACES),
            st.sampled_from(["allow", "allow", "deny"]),
            st.booleans(),
        ),
        max_size=6,
    ),
    action=st.sampled_from(sorted(ACTIONS)),
)
def test_who_can_agrees_with_each_persons_own_access(db: None, held: list[Any], action: str) -> None:
    from django.db import transaction

    with transaction.atomic():
        everybody = [make_person(f"p{n}", is_active=n != 1, is_superuser=n == 2) for n in range(4)]
        group = Group.objects.create(name="all")
        group.user_set.set(everybody[:2])
        for number, role, place, effect, by_group in held:
            subject = {"group": group} if by_group else {"user": everybody[number]}
            RoleBinding.objects.create(role=role, effect=effect, **subject, **place)
        for place in (ANYWHERE, Resource("staging"), Resource("production", cluster="prod-core")):
            expected = [person for person in everybody if Access(person).can(action, place)]
            assert people_who_can(action, place) == expected
        transaction.set_rollback(True)


def test_documented_roles_are_those_of_the_code() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z -]+) \| ([a-z ,]+) \|$", text, re.MULTILINE)
    expected = {
        label: ", ".join(sorted(ACTION_PHRASES[action] for action in ROLES[role]))
        for role, label in ROLE_LABELS.items()
    }
    assert {label: phrases for label, phrases in rows if label != "role"} == expected
