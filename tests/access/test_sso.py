"""Single sign-on against a real OpenID Connect provider on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from access.models import GroupMapping, RoleBinding
from access.queries import Access
from access.records import person_facts
from access.sso import people
from access.sso.provider import ConsoleAdapter
from audit.models import AuditEntry
from tests.access.idp import CALLBACK, Idp, asked, changed, come_back, leave, running_idp
from tests.access.signing import person, refusals, roles, sign_in
from tests.builders import bind, make_person

pytestmark = pytest.mark.django_db


def test_first_sign_in_makes_the_person(idp: Idp) -> None:
    claims = {"preferred_username": "ana", "name": "Ana López", "email": "ana@acme.test", "groups": ["none"]}
    idp.knows("ana-1", **claims)
    client, answer = sign_in(idp, "ana-1", next="/profile/")
    assert (answer.status_code, answer["Location"]) == (302, "/profile/")
    assert "Ana López" in client.get("/profile/").content.decode()
    ana = person("ana-1")
    assert (ana.username, ana.email, ana.has_usable_password()) == ("ana", "ana@acme.test", False)
    created = AuditEntry.objects.get(action="person.created")
    came_by = {"id": f"u-{ana.pk}", "issuer": idp.url, "subject": "ana-1"}
    assert created.data == {**came_by, "after": person_facts(ana)}
    assert AuditEntry.objects.get(action="sign_in.ok", actor="ana").data == {"method": "sso"}


def test_way_there_carries_state_nonce_and_pkce(idp: Idp) -> None:
    parameters = asked(leave(Client()))
    assert parameters["code_challenge_method"] == "S256"
    assert parameters["redirect_uri"] == CALLBACK
    assert "prompt" not in parameters
    assert len(parameters["nonce"]) >= 32
    assert asked(leave(Client()))["nonce"] != parameters["nonce"]


def test_second_sign_in_finds_the_same_person(idp: Idp) -> None:
    idp.knows("ben-1", preferred_username="ben")
    sign_in(idp, "ben-1")
    idp.knows("ben-1", preferred_username="renamed", email="new@acme.test")
    sign_in(idp, "ben-1")
    assert person("ben-1").username == "ben"
    assert person("ben-1").email == "new@acme.test"
    assert AuditEntry.objects.get(action="person.changed").data == {"fields": ["email"]}


def test_local_person_of_the_same_name_and_address_is_somebody_else(idp: Idp) -> None:
    alice = make_person("alice", email="alice@acme.test")
    bind(alice, "admin")
    idp.knows("stranger", preferred_username="alice", email="alice@acme.test", email_verified=True)
    sign_in(idp, "stranger")
    assert person("stranger").pk != alice.pk
    assert person("stranger").username == "alice-2"
    assert not Access(person("stranger")).bindings


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "ALICE"}, "ALICE-2"),
        ({"preferred_username": "аlice"}, "lice"),
        ({"preferred_username": "eve <script>"}, "eve-script"),
        ({"email": "zoë@acme.test"}, "zoe@acme.test"),
        ({"preferred_username": "", "name": "Jo Q"}, "Jo-Q"),
        ({"preferred_username": "你好"}, "person"),
        ({"preferred_username": "x" * 300}, "x" * 100),
    ],
)
def test_user_name_is_plain_and_free(idp: Idp, claims: dict[str, str], name: str) -> None:
    make_person("alice")
    idp.knows("sub", **claims)
    sign_in(idp, "sub")
    assert person("sub").username == name


def test_same_subject_of_another_issuer_is_another_person(idp: Idp) -> None:
    other = make_person("other")
    SocialAccount.objects.create(user=other, provider="https://old.example", uid="same-sub")
    idp.knows("same-sub", preferred_username="newcomer")
    client, _ = sign_in(idp, "same-sub")
    assert client.get("/profile/").wsgi_request.user.username == "newcomer"


def test_disabled_person_is_refused_and_gets_nothing(idp: Idp) -> None:
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("off-1", preferred_username="off")
    sign_in(idp, "off-1")
    User.objects.filter(username="off").update(is_active=False)
    idp.knows("off-1", preferred_username="off", groups=["ops"])
    client, answer = sign_in(idp, "off-1")
    assert answer.status_code == 403
    assert "disabled" in answer.content.decode()
    assert client.get("/profile/").status_code == 302
    assert roles("off-1") == []
    assert refusals() == ["This account is disabled."]


def test_entry_that_cannot_be_written_signs_nobody_in(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("ivy-1", preferred_username="ivy", groups=["ops"])
    client = Client(raise_request_exception=False)
    address = idp.authorize(leave(client), "ivy-1")

    def fail(**entry: Any) -> None:
        if entry["action"] == "sign_in.ok":
            raise RuntimeError("the ledger is away")

    monkeypatch.setattr("access.signals.record", fail)
    assert come_back(client, address).status_code == 500
    assert client.get("/profile/").status_code == 302
    assert not SocialAccount.objects.exists()
    assert not RoleBinding.objects.exists()


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"nonce": "another"}, "given for another sign-in"),
        ({"aud": "another-application"}, "Audience"),
        ({"azp": "another-application"}, "given to another application"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"exp": int(time.time()) - 3600}, "expired"),
        ({"iat": int(time.time()) + 3600}, "not yet valid"),
    ],
)
def test_word_that_does_not_hold_is_refused(idp: Idp, claims: dict[str, Any], sentence: str) -> None:
    idp.knows("bad-1", preferred_username="bad", **claims)
    client, answer = sign_in(idp, "bad-1")
    assert answer.status_code == 403
    assert sentence.lower() in refusals()[0].lower()
    assert client.get("/profile/").status_code == 302
    assert not SocialAccount.objects.exists()


def test_word_signed_by_another_key_is_refused(idp: Idp) -> None:
    idp.knows("key-1", preferred_username="key")
    client = Client()
    address = idp.authorize(leave(client), "key-1")
    with running_idp() as other:
        # Same answers, other keys: what a provider that was taken over would publish.
        config = {**ConsoleAdapter._discovered[idp.url][1], "jwks_uri": f"{other.url}/jwks"}
        ConsoleAdapter._discovered[idp.url] = (time.monotonic(), config)
        assert come_back(client, address).status_code == 403
    assert "does not hold" in refusals()[0]


def test_discovery_of_another_issuer_is_refused(idp: Idp, settings: Any) -> None:
    settings.OIDC_ISSUER = idp.url.replace("127.0.0.1", "localhost")
    answer = Client().post("/sign-in/sso/")
    assert answer.status_code == 200
    settings.OIDC_ISSUER = idp.url + "/"
    answer = Client().post("/sign-in/sso/")
    assert answer.status_code == 502
    assert "calls itself" in answer.content.decode()


def test_provider_that_is_away_is_said(idp: Idp, settings: Any) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    answer = Client().post("/sign-in/sso/")
    assert answer.status_code == 502
    assert "does not answer" in answer.content.decode()


@pytest.mark.parametrize("state", [None, "forged"])
def test_answer_with_another_state_is_refused(idp: Idp, state: str | None) -> None:
    idp.knows("jo-1", preferred_username="jo")
    client = Client()
    address = idp.authorize(leave(client), "jo-1")
    assert come_back(client, changed(address, state=state)).status_code == 403
    assert not SocialAccount.objects.exists()


def test_answer_of_another_browser_is_refused(idp: Idp) -> None:
    idp.knows("kim-1", preferred_username="kim")
    address = idp.authorize(leave(Client()), "kim-1")
    victim = Client()
    leave(victim)
    assert come_back(victim, address).status_code == 403
    assert victim.get("/profile/").status_code == 302


def test_answer_counts_once(idp: Idp) -> None:
    idp.knows("lou-1", preferred_username="lou")
    client = Client()
    address = idp.authorize(leave(client), "lou-1")
    assert come_back(client, address).status_code == 302
    assert come_back(client, address).status_code == 403


def test_answer_after_ten_minutes_is_refused(idp: Idp) -> None:
    client = Client()
    address = idp.authorize(leave(client), "max-1")
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert come_back(client, address).status_code == 403


def test_refusal_of_the_provider_is_shown_as_text(idp: Idp) -> None:
    client = Client()
    state = asked(leave(client))["state"]
    answer = client.get("/sign-in/sso/callback/", {"state": state, "error": "access_denied<b>"})
    assert answer.status_code == 403
    assert "access_denied" in answer.content.decode()
    assert (
        "<b>" not in answer.content.decode().split("The identity provider refused", 1)[1].split("</p>", 1)[0]
    )


def test_wrong_client_secret_signs_nobody_in(idp: Idp, settings: Any) -> None:
    settings.OIDC_CLIENT_SECRET = "wrong"
    _, answer = sign_in(idp, "nia-1")
    assert answer.status_code == 403
    assert not SocialAccount.objects.exists()


def test_session_key_changes_at_sign_in(idp: Idp) -> None:
    client = Client()
    address = idp.authorize(leave(client), "ole-1")
    before = client.session.session_key
    come_back(client, address)
    assert client.session.session_key != before


def test_target_stays_on_this_host(idp: Idp) -> None:
    _, answer = sign_in(idp, "pia-1", next="https://evil.example/")
    assert answer["Location"] == reverse("fleet")


def test_secrets_of_the_sign_in_are_kept_nowhere(idp: Idp) -> None:
    idp.knows("ray-1", preferred_username="ray", groups=["x"])
    client = Client()
    address = idp.authorize(leave(client), "ray-1")
    come_back(client, address)
    kept = str(dict(client.session.items())) + str(list(AuditEntry.objects.values_list("data", "reason")))
    kept += str(list(SocialAccount.objects.values_list("extra_data", flat=True)))
    for secret in (idp.client_secret, asked(address)["code"]):
        assert secret not in kept


def test_sign_in_page_offers_it_only_where_it_is_configured(idp: Idp, settings: Any) -> None:
    page = Client().get(reverse("sign-in")).content.decode()
    assert "Continue with Acme ID" in page
    settings.OIDC_ISSUER = ""
    assert "Continue with" not in Client().get(reverse("sign-in")).content.decode()
    assert Client().post("/sign-in/sso/").status_code == 404


def test_password_still_signs_local_people_in(idp: Idp, people: dict[str, User]) -> None:
    client = Client()
    answer = client.post(reverse("sign-in"), {"username": "alice", "password": "demo"})
    assert answer["Location"] == reverse("fleet")
    assert AuditEntry.objects.get(action="sign_in.ok").data == {"method": "password"}


def test_two_first_sign_ins_at_once_make_one_person(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    idp.knows("vic-1", preferred_username="vic")
    sign_in(idp, "vic-1")
    found = people.account_of
    answers = iter([None])
    # The slower of the two looked before the faster had written.
    monkeypatch.setattr(people, "account_of", lambda claims: next(answers, found(claims)))
    client, answer = sign_in(idp, "vic-1")
    assert answer.status_code == 302
    assert client.get("/profile/").wsgi_request.user == person("vic-1")
    assert User.objects.filter(username__startswith="vic").count() == 1


def test_no_page_of_the_library_is_reachable() -> None:
    def views(patterns: list[Any]) -> Iterator[str]:
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                yield from views(pattern.url_patterns)
            else:
                yield pattern.lookup_str

    assert not [name for name in views(get_resolver().url_patterns) if name.startswith("allauth.")]
