from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.utils import timezone

from access.models import ApiToken
from access.queries import access_for
from access.tokens import (
    FORM,
    TokenInvalid,
    TokenMadeByToken,
    TokenPlace,
    TokenRefused,
    authenticate,
    create_token,
    revoke_token,
)
from audit.models import AuditEntry
from clusters.masking import mask_text
from tests.builders import make_cluster, make_service
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _just_signed_in(settings: object) -> None:
    settings.STEP_UP = timedelta()  # type: ignore[attr-defined]


def make(person: User, **more: object) -> tuple[ApiToken, str]:
    values = {"owner": person, "name": "ci", "scope": "operate", "actor": person, **more}
    return create_token(**values)  # type: ignore[arg-type]


def test_text_of_a_token_opens_it_and_is_kept_nowhere(people: dict[str, User]) -> None:
    token, text = make(people["alice"])
    assert FORM.fullmatch(text)
    assert authenticate(text, timezone.now()) == token
    stored = json.dumps(
        [list(ApiToken.objects.values()), list(AuditEntry.objects.values("data", "target"))], default=str
    )
    assert text not in stored
    assert text.rsplit("_", 1)[1] not in stored
    assert token.prefix in stored


def test_token_lives_ninety_days_unless_asked_and_never_more_than_a_year(people: dict[str, User]) -> None:
    token, _ = make(people["alice"])
    assert token.expires_at - token.created_at == timedelta(days=90)
    for days in (0, 366):
        with pytest.raises(TokenInvalid) as refused:
            make(people["alice"], name="other", days=days)
        assert "days" in refused.value.errors


@pytest.mark.parametrize(
    "wish", [{"name": " "}, {"scope": "admin"}, {"place": TokenPlace(environment="prod")}]
)
def test_token_of_no_name_scope_or_place_is_not_made(
    people: dict[str, User], wish: dict[str, object]
) -> None:
    with pytest.raises(TokenInvalid):
        make(people["alice"], **wish)
    assert not ApiToken.objects.exists()


def test_two_live_tokens_of_a_person_never_share_a_name(people: dict[str, User]) -> None:
    token, _ = make(people["alice"])
    with pytest.raises(TokenInvalid, match="already"):
        make(people["alice"])
    make(people["bob"])
    revoke_token(token=token, actor=people["alice"])
    make(people["alice"])


def test_revoked_token_opens_nothing(people: dict[str, User]) -> None:
    token, text = make(people["alice"])
    assert revoke_token(token=token, actor=people["erin"])
    assert not revoke_token(token=token, actor=people["erin"]), "the second click changes nothing"
    with pytest.raises(TokenRefused, match="revoked"):
        authenticate(text, timezone.now())
    assert [e.action for e in AuditEntry.objects.order_by("seq")] == ["token.created", "token.revoked"]


def test_expired_token_opens_nothing(people: dict[str, User]) -> None:
    token, text = make(people["alice"])
    assert authenticate(text, token.expires_at - timedelta(seconds=1))
    with pytest.raises(TokenRefused, match="expired"):
        authenticate(text, token.expires_at)


def test_token_of_a_disabled_person_opens_nothing_and_allows_nothing(people: dict[str, User]) -> None:
    alice = people["alice"]
    token, text = make(alice)
    alice.is_active = False
    alice.save()
    with pytest.raises(TokenRefused, match="disabled"):
        authenticate(text, timezone.now())
    assert not access_for(alice, token).can("fleet.view")
    with pytest.raises(TokenInvalid, match="disabled"):
        make(alice, name="new")


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t + "A", lambda t: ""]
)
def test_text_that_differs_in_one_letter_opens_nothing(people: dict[str, User], change: object) -> None:
    _, text = make(people["alice"])
    with pytest.raises(TokenRefused):
        authenticate(change(text), timezone.now())  # type: ignore[operator]


def test_last_use_is_written_at_most_once_a_minute(people: dict[str, User]) -> None:
    token, text = make(people["alice"])
    now = timezone.now()
    seen = []
    for seconds in (0, 59, 60):
        authenticate(text, now + timedelta(seconds=seconds))
        token.refresh_from_db()
        seen.append((token.last_used_at - now).total_seconds())  # type: ignore[operator]
    assert seen == [0, 0, 60]


def test_token_bound_to_a_place_sees_only_that(people: dict[str, User]) -> None:
    mine, other = make_service("a", make_cluster("shop-1")), make_service("b", make_cluster("core"))
    token, _ = make(people["alice"], place=TokenPlace(cluster="shop-*"))
    access = access_for(people["alice"], token)
    assert access.can("service.deploy", mine.access_resource)
    assert not access.can("fleet.view", other.access_resource)


def test_token_cannot_make_a_token(people: dict[str, User]) -> None:
    token, _ = make(people["alice"])
    request = RequestFactory().post("/")
    request.api_token = token  # type: ignore[attr-defined]
    with pytest.raises(TokenMadeByToken):
        make(people["alice"], name="child", request=request)


def test_command_prints_the_token_alone_on_its_last_line(people: dict[str, User]) -> None:
    out = StringIO()
    call_command("token_create", "--user", "alice", "--name", "ci", "--scope", "operate", stdout=out)
    text = out.getvalue().splitlines()[-1]
    assert authenticate(text, timezone.now()).user == people["alice"]


@pytest.mark.parametrize("wrong", [["--user", "nobody"], ["--user", "alice", "--days", "9999"]])
def test_command_says_what_is_wrong(people: dict[str, User], wrong: list[str]) -> None:
    with pytest.raises(CommandError, match=r"Nobody is called nobody|1 to 365 days"):
        call_command("token_create", *wrong, "--name", "ci", "--scope", "read", stdout=StringIO())


def test_token_in_a_foreign_text_is_masked(people: dict[str, User]) -> None:
    _, text = make(people["alice"])
    assert text not in mask_text(f"curl https://console/ -d {text}")


def test_new_token_is_shown_once_and_never_cached(as_: SignedIn) -> None:
    client = as_("alice")
    data = {"name": "ci", "scope": "operate", "days": "30", "environment": "staging"}
    answer = client.post("/profile/tokens/", data)
    assert answer.status_code == 201
    assert "no-store" in answer["Cache-Control"]
    found = FORM.search(answer.content.decode())
    assert found
    token = authenticate(found[0], timezone.now())
    assert (token.name, token.role_bindings.get().environment) == ("ci", "staging")
    again = client.get("/profile/tokens/").content.decode()
    assert not FORM.search(again)
    assert token.prefix in again


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"days": "366"}, {"days": "soon"}, {"scope": "admin"}, {"environment": "moon"}]
)
def test_form_with_errors_makes_nothing(as_: SignedIn, wrong: dict[str, str]) -> None:
    data = {"name": "ci", "scope": "read", "days": "30", **wrong}
    assert as_("alice").post("/profile/tokens/", data).status_code == 422
    assert not ApiToken.objects.exists()


def test_name_that_is_taken_is_said_at_its_field(as_: SignedIn) -> None:
    data = {"name": "ci", "scope": "read", "days": "30"}
    client = as_("alice")
    client.post("/profile/tokens/", data)
    answer = client.post("/profile/tokens/", data)
    assert answer.status_code == 422
    assert "has a token ci already" in answer.content.decode()


def test_person_revokes_their_own_and_nobody_elses(as_: SignedIn, people: dict[str, User]) -> None:
    mine, text = make(people["alice"])
    theirs, _ = make(people["bob"])
    client = as_("alice")
    assert client.post(f"/profile/tokens/{theirs.pk}/revoke/").status_code == 404
    assert client.post(f"/profile/tokens/{mine.pk}/revoke/").status_code == 303
    with pytest.raises(TokenRefused):
        authenticate(text, timezone.now())


def test_admin_sees_and_revokes_everybodys(as_: SignedIn, people: dict[str, User]) -> None:
    token, text = make(people["alice"])
    erin = as_("erin")
    assert token.prefix in erin.get("/access/tokens/").content.decode()
    assert erin.post(f"/access/tokens/{token.pk}/revoke/").status_code == 303
    with pytest.raises(TokenRefused):
        authenticate(text, timezone.now())
    assert AuditEntry.objects.get(action="token.revoked").actor == "erin"


def test_revoked_token_carries_nothing_any_more(people: dict[str, User]) -> None:
    service = make_service()
    token, _ = make(people["alice"])
    revoke_token(token=token, actor=people["alice"])
    access = access_for(people["alice"], token)
    decision = access.can("service.deploy", service.access_resource)
    assert (bool(decision), decision.reason) == (False, f"The token {token.prefix} was revoked.")
    assert not access.visible(type(service).objects.all()).exists()
    assert not access.holds("fleet.view")
