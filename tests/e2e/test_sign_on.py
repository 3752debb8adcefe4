"""Single sign-on, security keys and the proof before production, in a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.access.authenticator_app import totp
from tests.access.idp import Idp, running_idp
from tests.e2e.conftest import (
    CSP_LISTENER,
    EXPECTED_NOISE,
    ROOT,
    Demo,
    Watched,
    clean_environment,
    start,
    stop_demo,
)

pytestmark = pytest.mark.browser
PROD = "/services/111122223333/us-east-1/prod-core"
# Makes every sign-in of the demo look an hour old.
AGE_SIGN_INS = """
from datetime import timedelta
from importlib import import_module
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
Store = import_module(settings.SESSION_ENGINE).SessionStore
for row in Session.objects.all():
    session = Store(row.session_key)
    if "authenticated_at" in session:
        session["authenticated_at"] = (timezone.now() - timedelta(hours=1)).isoformat()
        session.save()
"""


@dataclass
class World:
    """A demo that knows the provider, reached as localhost because security keys are bound to a name."""

    demo: Demo
    idp: Idp

    @property
    def url(self) -> str:
        return self.demo.url.replace("127.0.0.1", "localhost")

    def age_sign_ins(self) -> None:
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", AGE_SIGN_INS]
        # The tests' own secret would read no session of the demo.
        own = {"ECSCONSOLE_VAR_DIR": str(self.demo.folder), "ECSCONSOLE_LOCAL": "1"}
        subprocess.run(command, cwd=ROOT, env=clean_environment() | own, check=True, capture_output=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_idp(registers=False) as idp:
        environment = {
            "OIDC_ISSUER": idp.url,
            "OIDC_CLIENT_ID": "console",
            "OIDC_CLIENT_SECRET": "console-secret",
            "OIDC_NAME": "Acme ID",
            "STEP_UP_MINUTES": "15",
        }
        demo = start("demo", tmp_path_factory.mktemp("sign-on"), environment=environment)
        yield World(demo, idp)
        stop_demo(demo)


@pytest.fixture
def watched_page(world: World, browser: Browser) -> Iterator[Watched]:
    """A page of its own context; whatever goes wrong on the console's pages fails the test."""
    context = browser.new_context(base_url=world.url)
    context.add_init_script(CSP_LISTENER)
    context.set_default_timeout(30_000)
    found = Watched(context.new_page())

    def note(message: ConsoleMessage) -> None:
        # The provider's own pages are not ours to judge.
        is_ours = message.location["url"].startswith(world.url)
        if is_ours and message.type == "error" and not message.text.startswith(EXPECTED_NOISE):
            found.problems.append(message.text)

    context.on("console", note)
    yield found
    for page in context.pages:
        if page.url.startswith(world.url):
            found.problems += [f"csp: {violation}" for violation in page.evaluate("window.__csp || []")]
    context.close()
    assert found.problems == []


def type_password(page: Page, name: str) -> None:
    page.goto("/sign-in/")
    page.fill("#id_username", name)
    page.fill("#id_password", "demo")
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.goto("/profile/")
    page.click("[popovertarget=m-user]")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in/**")


def at_provider(page: Page, world: World, sub: str) -> None:
    """Sign in on the provider's page."""
    page.wait_for_url(f"{world.idp.url}/**")
    page.fill("input[name=sub]", sub)
    page.press("input[name=sub]", "Enter")


def plug_in_key(page: Page) -> None:
    """Give the browser a security key that is touched at once."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": False,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def fill_in_restart(page: Page, service: str, reason: str) -> None:
    """Type everything that a restart in production asks for, up to the button that works."""
    page.goto(f"{PROD}/{service}/restart/")
    page.fill("textarea[name=reason]", reason)
    page.fill("input[name=confirm]", service)
    expect(page.locator("button[value=request]")).not_to_have_attribute("aria-disabled", "true")


def test_person_comes_in_through_the_provider(world: World, watched_page: Watched) -> None:
    world.idp.knows("ana-1", preferred_username="ana", name="Ana Lopez", groups=["ops"])
    page = watched_page.page
    page.goto("/profile/")
    watched_page.check_accessibility()
    page.click("#sso")
    at_provider(page, world, "ana-1")
    page.wait_for_url("**/profile/")
    expect(page.locator("h1")).to_have_text("Ana Lopez")
    page.goto("/profile/security/")
    expect(page.locator("main")).to_contain_text("Acme ID asks for it")


def test_group_gives_its_role_at_the_next_sign_in(
    world: World, watched_page: Watched, browser: Browser
) -> None:
    page = watched_page.page
    type_password(page, "erin")
    page.wait_for_url("**/")
    page.goto("/access/groups/")
    page.fill("#id_idp_group", "watchers")
    page.select_option("#id_role", "viewer")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("table")).to_contain_text("watchers")
    watched_page.check_accessibility()
    sign_out(page)
    world.idp.knows("wim-1", preferred_username="wim", name="Wim", groups=["watchers"])
    page.click("#sso")
    at_provider(page, world, "wim-1")
    page.wait_for_url("**/")
    expect(page.locator("main")).to_contain_text("checkout-api")


def test_key_and_app_guard_sign_in_and_production(world: World, watched_page: Watched) -> None:
    page = watched_page.page
    plug_in_key(page)
    type_password(page, "alice")
    page.wait_for_url("**/")
    page.goto("/profile/security/app/")
    watched_page.check_accessibility()
    seed = page.locator("#seed").inner_text().replace(" ", "")
    page.fill("#id_code", totp(seed))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".codes li")).to_have_count(10)
    page.goto("/profile/security/key/")
    page.locator("[data-key-make]").click()
    page.wait_for_url("**/profile/security/")
    expect(page.locator("main")).to_contain_text("Security key")
    watched_page.check_accessibility()

    sign_out(page)
    type_password(page, "alice")
    page.wait_for_url("**/sign-in/code/")
    watched_page.check_accessibility()
    page.fill("#id_code", "000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("not right")
    page.locator("[data-key-use]").click()
    page.wait_for_url(f"{world.url}/")

    fill_in_restart(page, "catalog-api", "typed before the sign-in grew old")
    world.age_sign_ins()
    page.locator("button[value=request]").click()
    expect(page.locator("h1")).to_have_text("Confirm it is you")
    watched_page.check_accessibility()
    page.locator("[data-key-use]").click()
    page.wait_for_url("**/changes/*/")
    expect(page.locator("main")).to_contain_text("typed before the sign-in grew old")


def test_waiting_request_is_confirmed_at_the_provider_in_another_tab(
    world: World, watched_page: Watched, sso_operator: Callable[[Page], None]
) -> None:
    page = watched_page.page
    sso_operator(page)
    fill_in_restart(page, "identity-api", "kept while I was away")
    world.age_sign_ins()
    page.locator("button[value=request]").click()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Confirm with Acme ID").click()
    tab = opened.value
    at_provider(tab, world, "oli-1")
    expect(tab.locator("main")).to_contain_text("Close this tab")
    tab.close()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/changes/*/")
    expect(page.locator("main")).to_contain_text("kept while I was away")


@pytest.fixture
def sso_operator(world: World) -> Callable[[Page], None]:
    """Return a function that signs an operator of the provider in."""

    def sign_in(page: Page) -> None:
        type_password(page, "erin")
        page.wait_for_url("**/")
        page.goto("/access/groups/")
        page.fill("#id_idp_group", "operators")
        page.select_option("#id_role", "operator")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator("table")).to_contain_text("operators")
        sign_out(page)
        world.idp.knows("oli-1", preferred_username="oli", name="Oli", groups=["operators"])
        page.click("#sso")
        at_provider(page, world, "oli-1")
        page.wait_for_url("**/")

    return sign_in
