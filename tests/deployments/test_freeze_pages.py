"""The pages of freezes: who may set one up, what stays in the form, and its next windows over changes of clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.queries import access_for
from audit.models import AuditEntry
from deployments import actions
from deployments.errors import WrongState
from deployments.freeze_forms import FreezeForm, choice_of, read_span, write_span
from deployments.models import Freeze
from tests.builders import bind, make_person
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 10, tzinfo=UTC)
TYPED: dict[str, Any] = {
    "name": "Weekend",
    "effect": "deny",
    "environment": "production",
    "zone": "Europe/Berlin",
    "starts": "2026-03-06T16:00",
    "lasts": "8 h",
    "repeat": "weekly",
    "days": ["FR"],
    "is_rollback_exempt": "on",
    "reason": "Nobody is there",
}


@pytest.fixture(autouse=True)
def _march(as_: SignedIn) -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def freeze(**fields: Any) -> Freeze:
    defaults: dict[str, Any] = {"starts_at": NOW + timedelta(days=1), "duration_minutes": 60, "name": "Close"}
    return Freeze.objects.create(**{**defaults, **fields})


def typed(**fields: Any) -> dict[str, Any]:
    return {**TYPED, **fields}


def text_of(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def test_release_manager_sets_a_weekly_freeze_up(as_: SignedIn) -> None:
    assert as_("bob").post("/freezes/add/", TYPED).status_code == 303
    saved = Freeze.objects.get()
    assert (saved.rule, saved.duration_minutes, saved.zone) == ("FREQ=WEEKLY;BYDAY=FR", 480, "Europe/Berlin")
    # Sixteen o'clock in Berlin in winter.
    assert saved.starts_at == datetime(2026, 3, 6, 15, tzinfo=UTC)
    assert AuditEntry.objects.get(action="freeze.added").reason == "Nobody is there"
    page = text_of(as_("carol"), "/freezes/")
    assert "every Friday 16:00 to Saturday 00:00 Europe/Berlin" in page
    assert "begins in 5 h" in page
    assert "/edit/" not in page
    assert "/edit/" in text_of(as_("bob"), "/freezes/")


@pytest.mark.parametrize("name", ["alice", "carol", "dan", "erin"])
def test_nobody_but_a_release_manager_sets_one_up(as_: SignedIn, name: str) -> None:
    found = freeze()
    for url in (
        "/freezes/add/",
        f"/freezes/{found.pk}/edit/",
        f"/freezes/{found.pk}/end/",
        "/freezes/preview/",
    ):
        answer = as_(name).post(url, typed(reason="no"))
        assert answer.status_code == 403
        assert "freeze.manage" in answer.content.decode()
    assert Freeze.objects.count() == 1
    assert as_(name).get("/freezes/").status_code == 200


def test_right_at_one_place_is_none_at_another(as_: SignedIn) -> None:
    nina = make_person("nina")
    bind(nina, "release_manager", environment="staging")
    as_.people["nina"] = nina
    assert as_("nina").post("/freezes/add/", TYPED).status_code == 403
    assert as_("nina").post("/freezes/add/", typed(environment="staging")).status_code == 303
    assert as_("nina").get(f"/freezes/{freeze(environment='production').pk}/edit/").status_code == 404
    assert as_("nina").get(f"/freezes/{freeze().pk}/edit/").status_code == 403


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"zone": "Mars/Olympus"}, "Mars/Olympus is not a time zone."),
        ({"starts": "soon"}, "Give the day and the time"),
        ({"starts": "2026-03-29T02:30"}, "There is no such time in Europe/Berlin"),
        ({"lasts": "a while"}, "Write a length such as 8 h"),
        ({"lasts": ""}, "Say either how long it lasts or when it ends."),
        ({"ends": "2026-03-07T00:00"}, "Say either how long it lasts or when it ends."),
        ({"lasts": "", "ends": "2026-03-06T15:00"}, "It ends before it starts."),
        ({"lasts": "100 d"}, "A window lasts from 1 minute to 92 days."),
        ({"days": []}, "Choose a day at least."),
        ({"repeat": "monthly"}, "Give the day of the month."),
        ({"repeat": "rule"}, "Write the rule."),
        ({"repeat": "rule", "rule": "FREQ=HOURLY"}, "not more often"),
        ({"repeat": "rule", "rule": "FREQ=NEVER"}, "is not a rule of RFC 5545"),
        ({"account_id": "12"}, "An account id has 12 digits."),
    ],
)
def test_form_keeps_what_was_typed_and_names_the_error(
    as_: SignedIn, fields: dict[str, Any], sentence: str
) -> None:
    answer = as_("bob").post("/freezes/add/", typed(**fields))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert 'value="Nobody is there"' in page
    assert not Freeze.objects.exists()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"repeat": "once"}, ""),
        ({"repeat": "daily"}, "FREQ=DAILY"),
        ({"days": ["FR", "MO"]}, "FREQ=WEEKLY;BYDAY=FR,MO"),
        ({"repeat": "monthly", "month_day": "15"}, "FREQ=MONTHLY;BYMONTHDAY=15"),
        ({"repeat": "last_day"}, "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ({"repeat": "rule", "rule": "RRULE:freq=monthly;byday=1mo"}, "FREQ=MONTHLY;BYDAY=1MO"),
    ],
)
def test_choice_makes_a_rule_and_comes_back_as_the_choice(
    as_: SignedIn, fields: dict[str, Any], rule: str
) -> None:
    assert as_("bob").post("/freezes/add/", typed(**fields)).status_code == 303
    saved = Freeze.objects.get()
    assert saved.rule == rule
    again = choice_of(rule)
    assert again["repeat"] == fields.get("repeat", "weekly")
    form = FreezeForm({**FreezeForm(freeze=saved).initial})
    assert form.is_valid(), form.errors
    names = ("starts_at", "duration_minutes", "rule", "zone", "environment")
    assert {name: form.values[name] for name in names} == {name: getattr(saved, name) for name in names}


def test_end_on_the_clock_says_how_long_it_lasts(as_: SignedIn) -> None:
    # Over the night that has an hour less, by the clock it is still ten hours.
    fields = {"starts": "2026-03-28T20:00", "lasts": "", "ends": "2026-03-29T06:00", "repeat": "once"}
    assert as_("bob").post("/freezes/add/", typed(**fields)).status_code == 303
    assert Freeze.objects.get().duration_minutes == 600


@pytest.mark.parametrize("minutes", [1, 59, 60, 90, 1440, 1441, 2160, 92 * 1440])
def test_length_is_read_as_it_is_written(minutes: int) -> None:
    assert read_span(write_span(minutes)) == minutes


def test_preview_tells_the_clocks_that_change_between_windows(as_: SignedIn) -> None:
    answer = as_("bob").post("/freezes/preview/", typed(name=""), headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in page
    assert page.count("<li>") == 5
    assert "Fri 20 Mar 16:00 to Sat 21 Mar 00:00" in page
    assert "Fri 20 Mar 15:00 to 23:00 UTC" in page
    # After the last Sunday of March it is an hour earlier in UTC.
    assert (
        'Fri 3 Apr 14:00 to 22:00 UTC. <b class="c-degraded">The clocks go forward before it: 1 h earlier in UTC.'
        in page
    )
    assert page.count("The clocks go") == 1
    assert not Freeze.objects.exists()


@pytest.mark.parametrize(
    ("starts", "remark"),
    [
        ("2026-03-28T22:00", "The clocks go forward in it: it lasts 7 h."),
        ("2026-10-24T22:00", "The clocks go back in it: it lasts 9 h."),
    ],
)
def test_preview_tells_the_clocks_that_change_within_a_window(
    as_: SignedIn, starts: str, remark: str
) -> None:
    answer = as_("bob").post("/freezes/preview/", typed(starts=starts, repeat="once"))
    assert remark in answer.content.decode()


def test_preview_comes_without_a_script_and_saves_nothing(as_: SignedIn) -> None:
    answer = as_("bob").post("/freezes/add/", typed(do="preview"))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Fri 20 Mar 16:00 to Sat 21 Mar 00:00" in page
    assert 'value="Weekend"' in page
    assert not Freeze.objects.exists()


def test_edit_is_the_next_version_and_a_late_one_is_refused(as_: SignedIn) -> None:
    found = freeze(zone="Europe/Berlin")
    form = text_of(as_("bob"), f"/freezes/{found.pk}/edit/")
    assert 'name="version" value="1"' in form
    assert 'value="2026-03-21T11:00"' in form
    assert as_("bob").post(f"/freezes/{found.pk}/edit/", typed(version="1")).status_code == 303
    late = as_("bob").post(f"/freezes/{found.pk}/edit/", typed(version="1", name="Typed late"))
    page = late.content.decode()
    assert late.status_code == 409
    assert 'value="Typed late"' in page
    assert "Begin from version 2" in page
    found.refresh_from_db()
    assert (found.name, found.version) == ("Weekend", 2)


def test_of_two_who_read_the_same_version_one_writes_the_next(as_: SignedIn) -> None:
    found = freeze()
    mine, theirs = Freeze.objects.get(pk=found.pk), Freeze.objects.get(pk=found.pk)
    bob = as_.people["bob"]
    actions.save_freeze(actor=bob, access=access_for(bob), values={"reason": "theirs"}, freeze=theirs)
    with pytest.raises(WrongState, match="was changed meanwhile"):
        actions.save_freeze(actor=bob, access=access_for(bob), values={"reason": "mine"}, freeze=mine)
    found.refresh_from_db()
    assert (found.reason, found.version) == ("theirs", 2)


def test_ending_needs_a_reason(as_: SignedIn) -> None:
    found = freeze()
    as_("bob").post(f"/freezes/{found.pk}/end/", {"reason": ""})
    found.refresh_from_db()
    assert found.ended_at is None
    assert as_("bob").post(f"/freezes/{found.pk}/end/", {"reason": "The sale is over"}).status_code == 303
    found.refresh_from_db()
    assert found.ended_at is not None
    assert AuditEntry.objects.get(action="freeze.ended").reason == "The sale is over"
    assert as_("bob").get(f"/freezes/{found.pk}/edit/").status_code == 409
    assert as_("bob").post(f"/freezes/{found.pk}/end/", {"reason": "again"}).status_code == 409


def test_old_sign_in_has_to_be_confirmed(as_: SignedIn, settings: Any) -> None:
    settings.STEP_UP = timedelta(minutes=15)
    client = as_("bob")
    session = client.session
    session["authenticated_at"] = (timezone.now() - timedelta(hours=1)).isoformat()
    session.save()
    found = freeze()
    answer = client.post("/freezes/add/", TYPED)
    assert 'name="reason" value="Nobody is there"' in answer.content.decode()
    client.post(f"/freezes/{found.pk}/edit/", typed(version="1"))
    client.post(f"/freezes/{found.pk}/end/", {"reason": "The sale is over"})
    assert Freeze.objects.get(version=1, ended_at=None) == found


def test_calendar_turns_to_the_month_of_its_address(as_: SignedIn) -> None:
    freeze(starts_at=datetime(2027, 2, 10, tzinfo=UTC))
    page = text_of(as_("carol"), "/freezes/?month=2027-02")
    assert "February 2027" in page
    assert "?month=2027-01" in page
    assert "10 February, frozen by Close" in page


def test_calendar_names_the_zone_of_its_days_and_keeps_it(as_: SignedIn) -> None:
    freeze(starts_at=datetime(2026, 3, 24, 23, tzinfo=UTC))
    page = text_of(as_("carol"), "/freezes/")
    assert "days of UTC" in page
    assert "24 March, frozen by Close" in page
    page = text_of(as_("carol"), "/freezes/?zone=Europe/Berlin&month=2026-03")
    assert "days of Europe/Berlin" in page
    assert "25 March, frozen by Close" in page
    assert "24 March, frozen" not in page
    assert "?month=2026-04&amp;zone=Europe%2FBerlin" in page
    assert 'name="zone" value="Europe/Berlin"' in page


def test_zone_that_is_none_is_said_and_days_are_those_of_the_console(as_: SignedIn) -> None:
    page = text_of(as_("carol"), "/freezes/?zone=<Berlin>")
    assert "&lt;Berlin&gt; is not a time zone" in page
    assert "days of UTC" in page


def test_this_month_is_that_of_the_zone(as_: SignedIn) -> None:
    with time_machine.travel(datetime(2026, 3, 31, 23, tzinfo=UTC), tick=False):
        carol = as_("carol")
        assert "March 2026" in text_of(carol, "/freezes/")
        assert "April 2026" in text_of(carol, "/freezes/?zone=Europe/Berlin")


def test_freeze_that_was_taken_away_stays_in_the_calendar(as_: SignedIn) -> None:
    with time_machine.travel(NOW - timedelta(days=3), tick=False):
        found = freeze(starts_at=NOW - timedelta(days=2))
    found.ended_at = NOW - timedelta(days=2) + timedelta(minutes=30)
    found.save()
    page = text_of(as_("carol"), "/freezes/")
    assert "Over in March 2026" in page
    assert "Wed 18 Mar 10:00 to 10:30, when it was taken away" in page
    assert "Changes may begin at any time" in page


def test_page_costs_the_same_however_many_there_are(as_: SignedIn) -> None:
    client = as_("bob")
    client.get("/freezes/")
    counts = []
    for _ in range(2):
        freeze(created_by=as_.people["bob"])
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/freezes/").status_code == 200
        counts.append(len(queries))
        for _more in range(4):
            freeze(rule="FREQ=DAILY", created_by=as_.people["bob"])
    assert counts[0] == counts[1]
    assert counts[0] <= 10
