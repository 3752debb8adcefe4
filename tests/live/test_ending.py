"""Who a stream is for: it ends, or never begins, for whom it may not be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.utils import timezone

from access.factors.queries import SSO
from access.models import RoleBinding
from access.sessions import METHOD, end_sessions
from live.bus import Bus
from live.stream import Stream, application
from live.viewing import WITHOUT_FACTOR
from tests.live.browser import opened
from tests.live.scenes import comes_true, play, refused

pytestmark = pytest.mark.django_db(transaction=True)


def test_stranger_is_refused(redis_url: str, bus: Bus) -> None:
    async def scene(stream: Stream) -> None:
        assert (await refused(stream, None, "fruit")).status == 401
        assert (await refused(stream, Client(), "fruit")).status == 401

    play(redis_url, scene)


def test_page_that_comes_back_signed_out_hears_logout(redis_url: str, bus: Bus, people: Any) -> None:
    async def scene(stream: Stream) -> None:
        async with opened(stream, None, "fruit", last_event_id="1-0") as tab:
            assert tab.names == ["logout"]
            assert tab.is_ended

    play(redis_url, scene)


def sign_out(client: Client, people: Any) -> None:
    client.logout()


def disable(client: Client, people: Any) -> None:
    people["carol"].is_active = False
    people["carol"].save()


def idle_too_long(client: Client, people: Any) -> None:
    session = client.session
    session["seen_at"] = (timezone.now() - timedelta(days=1)).isoformat()
    session.save()


def change_password(client: Client, people: Any) -> None:
    people["carol"].set_password("another")
    people["carol"].save()


def end_everywhere(client: Client, people: Any) -> None:
    end_sessions(person=people["carol"], actor=people["erin"])


def test_open_stream_is_checked_within_30_seconds() -> None:
    assert application.check_seconds <= 30


@pytest.mark.parametrize("end", [sign_out, disable, idle_too_long, change_password, end_everywhere])
def test_end_of_the_session_ends_the_stream(
    redis_url: str, bus: Bus, as_: Any, people: Any, end: Callable[[Client, Any], None]
) -> None:
    async def scene(stream: Stream) -> None:
        client = as_("carol")
        async with opened(stream, client, "fruit") as tab:
            cookies = client.cookies.copy()
            end(client, people)
            client.cookies = cookies
            await tab.until(lambda tab: tab.is_ended)
            assert tab.names[-1] == "logout"
            assert not stream.hub.viewers

    play(redis_url, scene, check_seconds=0.1)


@pytest.mark.parametrize("wanted", ["fruit", "logs:0a1b"])
@pytest.mark.parametrize("after", ["", "1-0"])
def test_nothing_is_streamed_until_a_required_second_factor_is_there(
    redis_url: str, bus: Bus, as_: Any, people: Any, settings: Any, wanted: str, after: str
) -> None:
    settings.MFA_REQUIRED = ["operator"]

    async def scene(stream: Stream) -> None:
        client = as_("alice")
        tab = await refused(stream, client, wanted, last_event_id=after)
        assert (tab.status, tab.body) == (403, WITHOUT_FACTOR.sentence)
        assert not stream.hub.viewers
        TOTP.activate(people["alice"], generate_totp_secret())
        async with opened(stream, client, wanted) as tab:
            assert tab.status == 200

    play(redis_url, scene)


def test_second_factor_is_asked_of_no_others(redis_url: str, bus: Bus, as_: Any, settings: Any) -> None:
    settings.MFA_REQUIRED = ["operator"]

    async def scene(stream: Stream) -> None:
        by_provider = as_("alice")
        session = by_provider.session
        session[METHOD] = SSO
        session.save()
        for client in (as_("carol"), by_provider):
            async with opened(stream, client, "fruit") as tab:
                assert tab.status == 200

    play(redis_url, scene)


def ask_it_of_everybody(settings: Any, person: Any) -> None:
    settings.MFA_REQUIRED = ["all"]


def give_a_role_that_needs_it(settings: Any, person: Any) -> None:
    RoleBinding.objects.create(user=person, role="release_manager")


def take_the_factor(settings: Any, person: Any) -> None:
    Authenticator.objects.filter(user=person).delete()


@pytest.mark.parametrize(
    ("begin", "has_factor"),
    [(ask_it_of_everybody, False), (give_a_role_that_needs_it, False), (take_the_factor, True)],
)
def test_open_stream_ends_when_a_second_factor_begins_to_be_required(
    redis_url: str,
    bus: Bus,
    as_: Any,
    people: Any,
    settings: Any,
    begin: Callable[[Any, Any], None],
    has_factor: bool,
) -> None:
    settings.MFA_REQUIRED = ["viewer"] if has_factor else ["release_manager"]
    if has_factor:
        TOTP.activate(people["carol"], generate_totp_secret())

    async def scene(stream: Stream) -> None:
        async with opened(stream, as_("carol"), "fruit") as tab:
            await tab.hears("tick", times=4)
            begin(settings, people["carol"])
            await tab.until(lambda tab: tab.is_ended)
            assert tab.names[-1] == "logout"
            assert not stream.hub.viewers

    play(redis_url, scene, check_seconds=0.1, tick_seconds=0.1)


def test_right_that_is_taken_away_silences_the_topic(redis_url: str, bus: Bus, as_: Any, people: Any) -> None:
    async def scene(stream: Stream) -> None:
        async with opened(stream, as_("alice"), "fruit,tree:oak") as tab:
            (viewer,) = stream.hub.viewers
            people["alice"].role_bindings.all().delete()
            await comes_true(lambda: "tree:oak" not in viewer.topics)
            bus.publish("tree:oak", "fruit")
            await tab.hears("fruit")
            assert "tree:oak" not in tab.names

    play(redis_url, scene, check_seconds=0.1)
