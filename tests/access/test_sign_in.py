from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.first_admin import make_link
from audit.models import AuditEntry
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str, password: str = "demo") -> int:
    return client.post(reverse("sign-in"), {"username": name, "password": password}).status_code


def test_right_password_leads_to_the_fleet(people: dict[str, User], client: Client) -> None:
    answer = client.post(reverse("sign-in"), {"username": "alice", "password": "demo"})
    assert answer["Location"] == reverse("fleet")
    assert AuditEntry.objects.filter(action="sign_in.ok", actor="alice").exists()


def test_wrong_password_keeps_the_name_and_is_recorded(people: dict[str, User], client: Client) -> None:
    answer = client.post(reverse("sign-in"), {"username": "alice", "password": "wrong"})
    page = answer.content.decode()
    assert 'value="alice"' in page
    assert "do not match" in page
    assert AuditEntry.objects.filter(action="sign_in.failed", target="alice", outcome="refused").exists()


def test_form_closes_after_five_failures_even_for_the_right_password(
    people: dict[str, User], client: Client
) -> None:
    answers = [sign_in(client, "alice", "wrong") for _ in range(5)]
    assert answers[:4] == [200] * 4
    assert answers[4] == 429
    assert sign_in(client, "alice") == 429
    assert sign_in(client, "bob") == 302


def test_session_key_changes_at_sign_in(people: dict[str, User], client: Client) -> None:
    client.get(reverse("sign-in"))
    before = client.session.session_key
    sign_in(client, "alice")
    assert client.session.session_key != before


def test_target_of_sign_in_stays_on_this_host(people: dict[str, User], client: Client) -> None:
    data = {"username": "alice", "password": "demo", "next": "https://evil.example/"}
    assert client.post(reverse("sign-in"), data)["Location"] == reverse("fleet")


def test_stranger_is_sent_to_sign_in_and_back(client: Client) -> None:
    answer = client.get(reverse("profile"))
    assert answer["Location"] == f"{reverse('sign-in')}?next={reverse('profile')}"


def test_stranger_asking_for_a_fragment_gets_401_and_the_page_is_told(client: Client) -> None:
    answer = client.get(reverse("profile"), headers={"HX-Request": "true"})
    assert answer.status_code == 401
    # What is on the page stays until the page itself leads away: it may hold what was typed.
    assert (answer["HX-Trigger"], answer["HX-Reswap"]) == ("logout", "none")
    assert not answer.content


@pytest.mark.parametrize(("idle", "status"), [(timedelta(minutes=59), 200), (timedelta(minutes=61), 302)])
def test_session_ends_by_idling(as_: SignedIn, idle: timedelta, status: int) -> None:
    client = as_("alice")
    now = timezone.now()
    client.get(reverse("profile"))
    with time_machine.travel(now + idle, tick=False):
        assert client.get(reverse("profile")).status_code == status


def test_session_ends_by_age_however_busy(as_: SignedIn) -> None:
    client = as_("alice")
    start = timezone.now()
    for minutes in range(0, 12 * 60 - 1, 50):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            assert client.get(reverse("profile")).status_code == 200
    with time_machine.travel(start + timedelta(hours=12, minutes=1), tick=False):
        assert client.get(reverse("profile")).status_code == 302


def test_disabled_person_is_out_at_the_next_request(as_: SignedIn, people: dict[str, User]) -> None:
    client = as_("alice")
    people["alice"].is_active = False
    people["alice"].save()
    assert client.get(reverse("profile")).status_code == 302


def test_signing_out_is_a_post(as_: SignedIn) -> None:
    client = as_("alice")
    assert client.get(reverse("sign-out")).status_code == 405
    assert client.post(reverse("sign-out")).status_code == 302
    assert AuditEntry.objects.filter(action="sign_in.ended", actor="alice").exists()


def test_profile_says_what_a_role_allows(as_: SignedIn) -> None:
    assert "roll back" in as_("alice").get(reverse("profile")).content.decode()
    assert "You have no role yet" in as_("mallory").get(reverse("profile")).content.decode()


def test_first_admin_is_made_once(client: Client) -> None:
    link = make_link("http://testserver")
    path = link.removeprefix("http://testserver")
    assert client.get(path).status_code == 200
    weak = client.post(path, {"username": "root", "password1": "short", "password2": "short"})
    assert weak.status_code == 400
    assert 'value="root"' in weak.content.decode()
    password = "a long enough passphrase"
    data = {"username": "root", "password1": password, "password2": password}
    assert client.post(path, data).status_code == 302
    assert User.objects.get().is_superuser
    assert Client().get(path).status_code == 404
    assert make_link("http://testserver") == ""


def test_first_admin_link_must_be_ours(client: Client) -> None:
    assert client.get(reverse("first-sign-in", args=["forged"])).status_code == 404


@pytest.mark.parametrize(("name", "status"), [("erin", 200), ("alice", 302), ("dan", 302)])
def test_settings_are_for_admins(as_: SignedIn, name: str, status: int) -> None:
    assert as_(name).get("/admin/").status_code == status


def test_django_admin_is_no_way_around_the_rules_of_access(as_: SignedIn, people: dict[str, User]) -> None:
    erin, alice = as_("erin"), people["alice"]
    for path in ("access/rolebinding/", "auth/group/"):
        assert erin.get(f"/admin/{path}").status_code == 404
    assert erin.post(f"/admin/auth/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 403
    joined = Group.objects.create(name="admins")
    fields = {"username": "alice", "groups": [joined.pk], "is_superuser": "on", "is_active": ""}
    assert erin.post(f"/admin/auth/user/{alice.pk}/change/", fields).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.is_superuser, alice.groups.exists()) == (True, False, False)


def test_local_account_made_by_an_admin_is_in_the_ledger(as_: SignedIn) -> None:
    password = "a long enough passphrase"
    fields = {"usable_password": "true", "username": "ines", "password1": password, "password2": password}
    assert as_("erin").post("/admin/auth/user/add/", fields).status_code == 302
    entry = AuditEntry.objects.get(action="person.created")
    assert (entry.actor, entry.data["after"]["username"]) == ("erin", "ines")
