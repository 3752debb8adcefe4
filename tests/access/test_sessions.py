"""Whose a session is, and ending it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.models import PersonSession
from access.sessions import clear_ended_sessions, end_sessions, living_sessions
from audit.models import AuditEntry
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def is_in(client: Client) -> bool:
    return client.get(reverse("profile")).status_code == 200


def test_sign_in_notes_whose_the_session_is(people: dict[str, User]) -> None:
    client = Client(headers={"user-agent": "Firefox"}, REMOTE_ADDR="192.0.2.7")
    client.post(reverse("sign-in"), {"username": "alice", "password": "demo"})
    row = PersonSession.objects.get(user=people["alice"])
    assert (row.session_key, row.ip, row.user_agent) == (client.session.session_key, "192.0.2.7", "Firefox")
    assert row.method == "password"


def test_planted_session_is_worth_nothing_after_the_sign_in(people: dict[str, User]) -> None:
    """An attacker who fixed the session id before the sign-in is not signed in by it."""
    victim, attacker = Client(), Client()
    session = victim.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    victim.cookies["sessionid"] = attacker.cookies["sessionid"] = planted
    victim.post(reverse("sign-in"), {"username": "alice", "password": "demo"})
    assert is_in(victim)
    assert not is_in(attacker)
    assert not Session.objects.filter(session_key=planted).exists()


def test_signing_in_as_somebody_else_leaves_nothing_of_the_first(
    as_: SignedIn, people: dict[str, User]
) -> None:
    client = as_("alice")
    client.force_login(people["bob"], backend="django.contrib.auth.backends.ModelBackend")
    assert not living_sessions(people["alice"], timezone.now())
    assert [row.session_key for row in living_sessions(people["bob"], timezone.now())] == [
        client.session.session_key
    ]


def test_ending_all_sessions_signs_out_everywhere(as_: SignedIn, people: dict[str, User]) -> None:
    one, other, bob = as_("alice"), as_("alice"), as_("bob")
    assert end_sessions(person=people["alice"], actor=people["erin"], reason="lost laptop") == 2
    assert not is_in(one)
    assert not is_in(other)
    assert is_in(bob)
    entry = AuditEntry.objects.get(action="sessions.ended")
    assert (entry.actor, entry.target, entry.data, entry.reason) == (
        "erin",
        "alice",
        {"count": 2},
        "lost laptop",
    )


def test_ending_the_others_keeps_this_one(as_: SignedIn, people: dict[str, User]) -> None:
    here, there = as_("alice"), as_("alice")
    key = here.session.session_key
    assert end_sessions(person=people["alice"], actor=people["alice"], keep=key) == 1
    assert is_in(here)
    assert not is_in(there)


def test_sessions_that_ended_by_themselves_are_not_listed(as_: SignedIn, people: dict[str, User]) -> None:
    as_("alice")
    with time_machine.travel(timezone.now() + timedelta(minutes=30)):
        as_("alice")
    with time_machine.travel(timezone.now() + timedelta(minutes=75)):
        assert len(living_sessions(people["alice"], timezone.now())) == 1
    with time_machine.travel(timezone.now() + timedelta(hours=13)):
        assert living_sessions(people["alice"], timezone.now()) == []


def test_use_keeps_a_session_listed(as_: SignedIn, people: dict[str, User]) -> None:
    client = as_("alice")
    for minutes in (40, 80):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            assert is_in(client)
            assert len(living_sessions(people["alice"], timezone.now())) == 1


def test_signing_out_forgets_the_session(as_: SignedIn, people: dict[str, User]) -> None:
    client = as_("alice")
    client.post(reverse("sign-out"))
    assert not PersonSession.objects.filter(user=people["alice"]).exists()


def test_disabling_a_person_ends_their_sessions(as_: SignedIn, people: dict[str, User]) -> None:
    alice, erin = as_("alice"), as_("erin")
    person = people["alice"]
    answer = erin.post(reverse("person-disable", args=[person.pk]))
    assert answer.status_code == 303, answer.content.decode()
    assert not Session.objects.filter(session_key=alice.session.session_key).exists()
    assert AuditEntry.objects.get(action="sessions.ended").reason == "The account was disabled."
    person.is_active = True
    person.save()
    assert not is_in(alice)


def set_password(client: Client, person: User) -> None:
    data = {
        "usable_password": "true",
        "password1": "a long new passphrase",
        "password2": "a long new passphrase",
    }
    answer = client.post(f"/admin/auth/user/{person.pk}/password/", data)
    assert answer.status_code == 302, answer.content.decode()


def test_new_password_by_an_admin_ends_the_sessions_and_is_recorded(
    as_: SignedIn, people: dict[str, User]
) -> None:
    alice, erin = as_("alice"), as_("erin")
    set_password(erin, people["alice"])
    assert not is_in(alice)
    assert living_sessions(people["alice"], timezone.now()) == []
    entry = AuditEntry.objects.get(action="person.password_changed")
    assert (entry.actor, entry.target) == ("erin", "alice")


def test_own_new_password_keeps_this_session_known(as_: SignedIn, people: dict[str, User]) -> None:
    here, there = as_("erin"), as_("erin")
    set_password(here, people["erin"])
    assert (is_in(here), is_in(there)) == (True, False)
    rows = living_sessions(people["erin"], timezone.now())
    assert [row.session_key for row in rows] == [here.session.session_key]


def test_session_whose_key_changed_is_known_again(as_: SignedIn, people: dict[str, User]) -> None:
    client = as_("alice")
    PersonSession.objects.all().delete()
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert is_in(client)
        assert len(living_sessions(people["alice"], timezone.now())) == 1


def test_rows_of_ended_sessions_are_cleared(as_: SignedIn, people: dict[str, User]) -> None:
    as_("alice")
    with time_machine.travel(timezone.now() + timedelta(hours=11)):
        bob = as_("bob")
    now = timezone.now() + timedelta(hours=13)
    assert clear_ended_sessions(now) == 1
    assert list(PersonSession.objects.values_list("user__username", flat=True)) == ["bob"]
    assert Session.objects.filter(session_key=bob.session.session_key).exists()


CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, "Chrome on Linux"),
        (f"{CHROME.replace('X11; Linux x86_64', 'Windows NT 10.0')} Edg/143.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Firefox/145.0", "Firefox on Mac OS X"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/143 Mobile Safari/537", "Chrome on Android"),
        ("", "Unknown browser"),
    ],
)
def test_session_is_told_by_browser_and_system(agent: str, words: str) -> None:
    assert PersonSession(user_agent=agent).browser == words
