"""Second factors of local people: the app with real codes, recovery codes, limits, who must have one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.apps import AccessConfig
from audit.models import AuditEntry
from tests.access.authenticator_app import totp
from tests.builders import make_change
from tests.conftest import SignedIn
from tests.deployments.pages import Registry, at, deployable, registry

__all__ = ["registry"]
pytestmark = pytest.mark.django_db
WRONG = "000000"
STREAM = "hx-sse:connect"


@pytest.fixture(autouse=True)
def _no_wrong_codes_before(redis_url: str) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def seed_on(page: str) -> str:
    found = re.search(r'id="seed">([A-Z2-7 ]+)<', page)
    assert found
    return found[1].replace(" ", "")


def add_app(client: Client) -> tuple[str, list[str]]:
    """Add an authenticator app; return its seed and the recovery codes that were shown."""
    seed = seed_on(client.get(reverse("add-app")).content.decode())
    # The code of the step before, so that the present one is still unused.
    answer = client.post(reverse("add-app"), {"code": totp(seed)})
    assert answer.status_code == 200, answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    return seed, re.findall(r"<li>(\d{4} \d{4})</li>", answer.content.decode())


def password(client: Client, name: str = "alice", **fields: str) -> Any:
    return client.post(reverse("sign-in"), {"username": name, "password": "demo", **fields})


def is_in(client: Client) -> bool:
    return client.get(reverse("profile")).status_code == 200


def failures() -> list[dict[str, Any]]:
    return list(AuditEntry.objects.filter(action="sign_in.failed").values_list("data", flat=True))


def test_app_is_added_with_a_right_code_and_gives_recovery_codes(
    as_: SignedIn, people: dict[str, User]
) -> None:
    seed, codes = add_app(as_("alice"))
    assert len(seed) == 32
    assert len(set(codes)) == 10
    kinds = AuditEntry.objects.filter(action__startswith="factor.").values_list("action", "actor")
    assert list(kinds.order_by("seq")) == [("factor.added", "alice"), ("factor.recovery_codes_made", "alice")]


def test_seed_is_sealed_and_told_nowhere(as_: SignedIn) -> None:
    client = as_("alice")
    seed, codes = add_app(client)
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    told = str(list(AuditEntry.objects.values_list("data", "reason", "target")))
    kept = stored + told + str(dict(client.session.items()))
    for secret in (seed, *codes, *(code.replace(" ", "") for code in codes)):
        assert secret not in kept


def test_wrong_code_adds_no_app_and_keeps_the_seed(as_: SignedIn) -> None:
    alice = as_("alice")
    seed = seed_on(alice.get(reverse("add-app")).content.decode())
    answer = alice.post(reverse("add-app"), {"code": WRONG})
    assert answer.status_code == 422
    assert seed_on(answer.content.decode()) == seed
    assert not Authenticator.objects.exists()


def test_qr_code_is_drawn_without_style_or_script(as_: SignedIn) -> None:
    page = as_("alice").get(reverse("add-app")).content.decode()
    svg = page.split('class="qr"', 1)[1].split("</svg>", 1)[0]
    assert re.search(r'<path d="M\d+ \d+h1v1h-1z', svg)
    assert "style" not in svg


def test_code_is_asked_after_the_password(as_: SignedIn) -> None:
    seed, _ = add_app(as_("alice"))
    client = Client()
    answer = password(client, next="/approvals/")
    assert answer["Location"] == reverse("sign-in-code")
    assert not is_in(client)
    assert not AuditEntry.objects.filter(action="sign_in.ok", data__method="password", actor="alice")[1:]
    answer = client.post(reverse("sign-in-code"), {"code": totp(seed)})
    assert answer["Location"] == "/approvals/"
    assert is_in(client)
    assert AuditEntry.objects.filter(action="sign_in.ok", data__method="password+code").count() == 1


def test_wrong_code_signs_nobody_in(as_: SignedIn) -> None:
    add_app(as_("alice"))
    client = Client()
    password(client)
    assert client.post(reverse("sign-in-code"), {"code": WRONG}).status_code == 422
    assert not is_in(client)
    assert failures() == [{"method": "code", "limited": False}]


def test_code_counts_once(as_: SignedIn) -> None:
    seed, _ = add_app(as_("alice"))
    code, first, second = totp(seed), Client(), Client()
    for client in (first, second):
        password(client)
        client.post(reverse("sign-in-code"), {"code": code})
    assert (is_in(first), is_in(second)) == (True, False)


@pytest.mark.parametrize(("seconds", "is_right"), [(-30, True), (30, True), (-90, False), (90, False)])
def test_code_of_a_clock_that_is_a_little_off_is_right(as_: SignedIn, seconds: int, is_right: bool) -> None:
    seed, _ = add_app(as_("alice"))
    client = Client()
    password(client)
    client.post(reverse("sign-in-code"), {"code": totp(seed, time.time() + seconds)})
    assert is_in(client) is is_right


def test_wrong_codes_close_the_account_to_codes_from_everywhere(as_: SignedIn) -> None:
    seed, _ = add_app(as_("alice"))
    for number in range(5):
        client = Client(REMOTE_ADDR=f"192.0.2.{number}")
        password(client)
        client.post(reverse("sign-in-code"), {"code": WRONG})
    client = Client(REMOTE_ADDR="192.0.2.99")
    password(client)
    answer = client.post(reverse("sign-in-code"), {"code": totp(seed)})
    assert "Too many wrong codes" in unescape(answer.content.decode())
    assert not is_in(client)
    assert failures()[0] == {"method": "code", "limited": True}
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        client = Client()
        password(client)
        client.post(reverse("sign-in-code"), {"code": totp(seed)})
        assert is_in(client)


def test_recovery_code_works_once(as_: SignedIn) -> None:
    _, codes = add_app(as_("alice"))
    first, second = Client(), Client()
    for client in (first, second):
        password(client)
        client.post(reverse("sign-in-code"), {"code": codes[3]})
    assert (is_in(first), is_in(second)) == (True, False)
    assert AuditEntry.objects.get(action="factor.recovery_code_used").data == {"left": 9}


def test_new_recovery_codes_make_the_old_worth_nothing(as_: SignedIn) -> None:
    alice = as_("alice")
    _, old = add_app(alice)
    page = alice.post(reverse("recovery-codes")).content.decode()
    new = re.findall(r"<li>(\d{4} \d{4})</li>", page)
    assert not set(old) & set(new)
    for code, expected in ((old[0], False), (new[0], True)):
        client = Client()
        password(client)
        client.post(reverse("sign-in-code"), {"code": code})
        assert is_in(client) is expected


def test_second_step_without_the_first_is_none(as_: SignedIn) -> None:
    seed, _ = add_app(as_("alice"))
    client = Client()
    answer = client.post(reverse("sign-in-code"), {"code": totp(seed)})
    assert answer["Location"] == reverse("sign-in")
    assert not is_in(client)


def test_first_step_is_kept_for_ten_minutes(as_: SignedIn) -> None:
    seed, _ = add_app(as_("alice"))
    client = Client()
    password(client)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        client.post(reverse("sign-in-code"), {"code": totp(seed)})
        assert not is_in(client)


def lose_account(person: User) -> None:
    person.is_active = False


def change_password(person: User) -> None:
    person.set_password("another")


@pytest.mark.parametrize("change", [lose_account, change_password])
def test_first_step_is_void_when_the_account_changes(
    as_: SignedIn, people: dict[str, User], change: Any
) -> None:
    seed, _ = add_app(as_("alice"))
    client = Client()
    password(client)
    change(people["alice"])
    people["alice"].save()
    client.post(reverse("sign-in-code"), {"code": totp(seed)})
    assert not is_in(client)


def test_planted_session_does_not_get_the_first_step(as_: SignedIn) -> None:
    add_app(as_("alice"))
    victim, attacker = Client(), Client()
    session = victim.session
    session.save()
    victim.cookies["sessionid"] = attacker.cookies["sessionid"] = session.session_key
    password(victim)
    assert victim.get(reverse("sign-in-code")).status_code == 200
    assert attacker.get(reverse("sign-in-code")).status_code == 302


def test_code_of_somebody_else_is_wrong(as_: SignedIn) -> None:
    seed, _ = add_app(as_("bob"))
    add_app(as_("alice"))
    client = Client()
    password(client, "alice")
    client.post(reverse("sign-in-code"), {"code": totp(seed)})
    assert not is_in(client)


def test_removing_the_last_factor_takes_the_recovery_codes(as_: SignedIn) -> None:
    alice = as_("alice")
    add_app(alice)
    app = Authenticator.objects.get(type="totp")
    assert as_("bob").post(reverse("remove-factor", args=[app.pk])).status_code == 404
    codes = Authenticator.objects.get(type="recovery_codes")
    assert alice.post(reverse("remove-factor", args=[codes.pk])).status_code == 404
    assert alice.post(reverse("remove-factor", args=[app.pk])).status_code == 303
    assert not Authenticator.objects.exists()
    assert password(Client())["Location"] == reverse("fleet")
    assert AuditEntry.objects.get(action="factor.removed").data["kind"] == "app"


@pytest.mark.parametrize("view", ["add-app", "add-key"])
def test_person_without_a_password_adds_no_factor(as_: SignedIn, people: dict[str, User], view: str) -> None:
    people["alice"].set_unusable_password()
    people["alice"].save()
    alice = as_("alice")
    assert alice.get(reverse(view)).status_code == 409
    assert alice.post(reverse(view), {}).status_code == 409


def test_changing_factors_asks_for_a_recent_proof(as_: SignedIn, settings: Any) -> None:
    settings.STEP_UP = timedelta(minutes=15)
    alice = as_("alice")
    add_app(alice)
    app = Authenticator.objects.get(type="totp")
    session = alice.session
    session["authenticated_at"] = (timezone.now() - timedelta(minutes=16)).isoformat()
    session.save()
    for view, arguments in (("remove-factor", [app.pk]), ("recovery-codes", []), ("add-key", [])):
        assert alice.post(reverse(view, args=arguments)).status_code == 403
    assert Authenticator.objects.count() == 2


def test_production_asks_for_the_code_and_the_password_is_not_enough(
    as_: SignedIn, people: dict[str, User], settings: Any, registry: Registry
) -> None:
    settings.STEP_UP = timedelta(minutes=15)
    change = make_change(deployable(), people["alice"])
    bob = as_("bob")
    seed, _ = add_app(bob)
    session = bob.session
    session["authenticated_at"] = (timezone.now() - timedelta(minutes=16)).isoformat()
    session.save()
    approve = reverse("approve-change", args=[change.pk])
    page = bob.post(approve, {"comment": "fine"}).content.decode()
    assert "proof_code" in page
    assert "proof_password" not in page
    assert bob.post(approve, {"proof_password": "demo"}).status_code == 403
    assert bob.post(approve, {"proof_code": WRONG}).status_code == 403
    assert not AuditEntry.objects.filter(action="sign_in.confirmed").exists()
    assert bob.post(approve, {"comment": "fine", "proof_code": totp(seed)}).status_code != 403
    assert AuditEntry.objects.get(action="sign_in.confirmed").data == {"method": "code"}
    assert bob.get(at("deploy", change.service)).status_code == 200


# Who must have one.


@pytest.mark.parametrize(
    ("required", "name", "is_asked"),
    [
        ([], "alice", False),
        (["all"], "alice", True),
        (["all"], "mallory", True),
        (["admin", "release_manager"], "bob", True),
        (["admin", "release_manager"], "alice", False),
    ],
)
def test_factor_is_asked_of_those_the_settings_name(
    as_: SignedIn, settings: Any, required: list[str], name: str, is_asked: bool
) -> None:
    settings.MFA_REQUIRED = required
    client = as_(name)
    answer = client.get(reverse("fleet"))
    assert (answer.status_code == 302 and answer["Location"] == reverse("security")) is is_asked
    assert ("Add a second factor to go on" in client.get(reverse("security")).content.decode()) is is_asked


def test_nothing_else_works_until_the_factor_is_there(
    as_: SignedIn, settings: Any, registry: Registry
) -> None:
    settings.MFA_REQUIRED = ["operator"]
    service, alice = deployable("development"), as_("alice")
    assert alice.post(at("restart", service), {"do": "now"})["Location"] == reverse("security")
    fragment = alice.get(reverse("rail"), headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["HX-Redirect"]) == (403, reverse("security"))
    assert STREAM not in alice.get(reverse("security")).content.decode()
    assert alice.get("/admin/").status_code == 302
    add_app(alice)
    assert STREAM in alice.get(reverse("fleet")).content.decode()


def test_person_of_the_identity_provider_is_not_asked(as_: SignedIn, settings: Any) -> None:
    settings.MFA_REQUIRED = ["all"]
    client = as_("alice")
    session = client.session
    session["sign_in_method"] = "sso"
    session.save()
    assert client.get(reverse("fleet")).status_code == 200


def test_setting_that_names_no_role_is_refused(settings: Any) -> None:
    settings.MFA_REQUIRED = ["boss"]
    with pytest.raises(ImproperlyConfigured, match="boss"):
        AccessConfig.create("access").ready()


# What an admin can do.


def test_admin_resets_lost_factors_and_ends_the_sessions(as_: SignedIn, people: dict[str, User]) -> None:
    alice, erin = as_("alice"), as_("erin")
    add_app(alice)
    pk = people["alice"].pk
    assert "Authenticator app" in erin.get(reverse("person-sign-in", args=[pk])).content.decode()
    erin.post(reverse("person-reset-factors", args=[pk]), {"reason": "lost phone, called back"})
    assert not Authenticator.objects.exists()
    assert not is_in(alice)
    entry = AuditEntry.objects.get(action="factors.reset")
    assert (entry.actor, entry.target, entry.reason) == ("erin", "alice", "lost phone, called back")
    assert password(Client())["Location"] == reverse("fleet")


def test_admin_signs_somebody_out_everywhere(as_: SignedIn, people: dict[str, User]) -> None:
    alice, bob, erin = as_("alice"), as_("bob"), as_("erin")
    erin.post(reverse("person-end-sessions", args=[people["alice"].pk]), {"reason": "left the company"})
    assert (is_in(alice), is_in(bob), is_in(erin)) == (False, True, True)
    assert AuditEntry.objects.get(action="sessions.ended").reason == "left the company"


def test_own_sessions_are_listed_and_ended(as_: SignedIn) -> None:
    here, there, third = as_("alice"), as_("alice"), as_("alice")
    page = here.get(reverse("security")).content.decode()
    assert page.count('aria-label="Sign out the session') == 2
    ends = re.findall(r"/profile/security/sessions/(\d+)/end/", page)
    here.post(reverse("end-session", args=[ends[0]]))
    assert sorted([is_in(there), is_in(third)]) == [False, True]
    here.post(reverse("end-other-sessions"))
    assert (is_in(here), is_in(there), is_in(third)) == (True, False, False)


def test_session_of_somebody_else_is_not_ended(as_: SignedIn, people: dict[str, User]) -> None:
    alice, bob = as_("alice"), as_("bob")
    row = people["bob"].console_sessions.get()  # type: ignore[attr-defined]
    alice.post(reverse("end-session", args=[row.pk]))
    assert is_in(bob)
