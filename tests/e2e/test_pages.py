"""Every page, for every eye: no console error, no CSP violation, no axe violation, nothing wider than its window."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Demo, Watched, start, stop_demo

pytestmark = pytest.mark.browser
OpenAs = Callable[..., Watched]
PROD = "/services/111122223333/us-east-1/prod-core"
STAGING = "/services/222233334444/us-east-1/staging-core"
TABS = [
    "tasks",
    "tasks/?state=stopped",
    "events",
    "deployments",
    "logs",
    "configuration",
    "configuration/?view=json",
]
VERBS = ["deploy", "restart", "scale", "rollback"]
LISTS = [
    "/task-definitions/",
    "/changes/",
    "/approvals/",
    "/approvals/?show=decided",
    "/deployments/",
    "/logs/",
]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
# Contrast depends on the theme and overflow on the width, so each page is seen in both of both.
LOOKS = [
    pytest.param({"viewport": WIDE, "color_scheme": "light"}, id="wide-light"),
    pytest.param({"viewport": PHONE, "color_scheme": "dark"}, id="phone-dark"),
]
ALL_LOOKS = [
    *LOOKS,
    pytest.param({"viewport": WIDE, "color_scheme": "dark"}, id="wide-dark"),
    pytest.param({"viewport": PHONE, "color_scheme": "light"}, id="phone-light"),
]
OVERFLOW = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
# The bar at the bottom of a phone covers what a scroll uncovers; axe takes a covered link for a small one.
# A sheet, since a live update of the bar takes what is set on the bar itself.
UNFIX = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(".rail { position: static !important }");
    document.adoptedStyleSheets = [sheet];
}"""


def check(found: Watched) -> None:
    """Check the page as it stands, once what it loads by itself is there."""
    page = found.page
    expect(page.locator("main .skel, main [aria-busy=true]")).to_have_count(0)
    page.wait_for_timeout(100)
    assert page.locator("h1").count() == 1, page.url
    assert page.evaluate(OVERFLOW) <= 0, f"{page.url} is wider than its window"
    page.evaluate(UNFIX)
    found.check_accessibility()


def visit(found: Watched, *addresses: str) -> None:
    for address in addresses:
        found.page.goto(address)
        check(found)


def address_of(link: Locator) -> str:
    return link.first.get_attribute("href") or ""


def ask(page: Page, service: str, image: str, reason: str = "") -> str:
    """Request a deploy of the newest image whose tag matches; return the change's address."""
    page.goto(f"{service}/deploy/")
    label = page.locator("fieldset.pick label", has=page.locator(".ver", has_text=re.compile(image)))
    label.filter(has_not_text="running now").filter(has_not_text="Keep").first.click(timeout=20_000)
    if reason:
        page.fill("textarea[name=reason]", reason)
        page.fill("input[name=confirm]", service.rsplit("/", 1)[-1])
    button = page.locator("button[value=request]")
    expect(button).not_to_have_attribute("aria-disabled", "true", timeout=20_000)
    button.click()
    page.wait_for_url("**/changes/*/")
    return page.url


@pytest.mark.parametrize("look", ALL_LOOKS)
def test_fleet_service_and_composer(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("alice", **look)
    check(found)
    visit(found, f"{PROD}/checkout-api/", f"{PROD}/checkout-api/logs/", f"{PROD}/checkout-api/deploy/")


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_a_service_and_the_lists(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("alice", **look)
    service = f"{PROD}/checkout-api/"
    visit(found, *(f"{service}{tab}" if "?" in tab else f"{service}{tab}/" for tab in TABS if tab != "logs"))
    visit(found, *(f"{service}{verb}/" for verb in VERBS if verb != "deploy"))
    visit(
        found,
        *LISTS,
        "/profile/",
        "/profile/tokens/",
        "/api/v1/docs",
        "/search/?q=checkout",
        "/?view=cluster",
        "/?q=nothing-is-called-so",
    )


@pytest.mark.parametrize("look", LOOKS)
def test_what_went_wrong(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("alice", **look)
    page = found.page
    visit(
        found,
        "/?status=failed",
        f"{STAGING}/search-api/",
        "/services/111122223333/us-east-1/prod-batch/invoice-renderer/",
    )
    failed = page.locator("#service-tasks tr.failed a.name")
    visit(found, address_of(failed))
    expect(page.locator("#task")).to_contain_text("Stopped with a failure")


@pytest.mark.parametrize("look", LOOKS)
def test_deployments_and_two_compared(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("alice", **look)
    page = found.page
    page.goto("/deployments/?status=ROLLBACK_SUCCESSFUL")
    visit(found, address_of(page.locator("#deployment-history tbody a.quiet-link")))
    page.goto(f"{PROD}/checkout-api/deployments/")
    visit(found, address_of(page.locator("#service-deployments tbody a.quiet-link")))
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("h1")).to_contain_text(" to :")
    check(found)


@pytest.mark.parametrize("look", LOOKS)
def test_definitions_and_clusters(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("carol", **look)
    family = "/task-definitions/111122223333/us-east-1/checkout-api/"
    visit(
        found,
        family,
        f"{family}6/",
        f"{family}diff/?from=5&to=6",
        "/clusters/111122223333/us-east-1/prod-core/",
    )
    visit(found, f"{PROD}/checkout-api/")


@pytest.mark.parametrize("look", LOOKS)
def test_changes_in_their_states(
    sign_in: OpenAs, look: dict[str, object], request: pytest.FixtureRequest
) -> None:
    # Each look asks for its own: what the one before asked for may still be under way.
    waiting, crashing = (
        ("image-resizer", "checkout-api")
        if "wide" in request.node.name
        else ("inventory-api", "web-frontend")
    )
    found = sign_in("alice", **look)
    page = found.page
    rolled_back = ask(page, f"{STAGING}/{crashing}", "crash")
    check(found)
    awaiting = ask(page, f"{PROD}/{waiting}", r"^[\d.]+-\d+$", reason="Before the sale")
    check(found)
    visit(found, "/approvals/?show=mine", "/changes/")
    approver = sign_in("bob", **look)
    visit(approver, "/approvals/", awaiting)
    approver.page.fill("input#comment-reject-change", "Not today")
    approver.page.get_by_role("button", name="Reject").click()
    expect(approver.page.locator("h1")).to_be_visible()
    visit(found, awaiting)
    expect(page.locator("main")).to_contain_text("Not today")
    page.goto(rolled_back)
    expect(page.locator(".page-head")).to_contain_text(
        re.compile("Rolling back|Rolled back"), timeout=120_000
    )
    check(found)


@pytest.mark.parametrize("look", ALL_LOOKS)
def test_ledger(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("dan", **look)
    page = found.page
    visit(found, "/audit/")
    page.locator("#audit-entries a.name").first.click()
    expect(page.locator("#audit-dock h2")).to_contain_text("Entry")
    expect(page.locator("#audit-entries tr[aria-selected=true]")).to_have_count(1)
    check(found)
    opened = page.url
    page.keyboard.press("Escape")
    expect(page.locator("#audit-dock h2")).to_have_count(0)
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#audit-seal .seal")).to_contain_text("Verified through entry", timeout=90_000)
    visit(found, opened, "/audit/1/", "/audit/seal/", "/audit/?q=nothing-has-this")


SUNDAY = "kind=deploy&service=prod-core/checkout-api&at=2026-11-29T02:00&zone=Europe/Berlin"
MEANT = "add_role=operator&add_effect=deny&freeze_from=2026-11-29T01:00&freeze_hours=4"


@pytest.mark.parametrize("look", LOOKS)
def test_access_and_people(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("erin", **look)
    page = found.page
    visit(
        found,
        "/settings/",
        "/access/",
        "/access/?by=place&q=nobody",
        "/access/bindings/add/",
        "/access/people/",
    )
    visit(found, address_of(page.locator("#people tbody a.name")), "/access/simulator/")
    page.goto("/access/")
    visit(found, address_of(page.locator("#bindings tbody a[href*='/access/bindings/']")))
    who = "who=u-1"
    visit(found, f"/access/simulator/?{who}&{SUNDAY}", f"/access/simulator/?{who}&{SUNDAY}&{MEANT}")
    auditor = sign_in("dan", **look)
    visit(
        auditor, "/audit/who-could/", "/audit/who-could/?action=service.deploy&service=prod-core/checkout-api"
    )


@pytest.mark.parametrize("look", LOOKS)
def test_a_revealed_value(sign_in: OpenAs, look: dict[str, object]) -> None:
    found = sign_in("bob", **look)
    page = found.page
    page.goto("/task-definitions/111122223333/us-east-1/checkout-api/6/")
    page.get_by_role("button", name="Reveal LOG_LEVEL").click()
    expect(page.locator("code.revealed")).to_have_text(re.compile("info|debug|warn", re.IGNORECASE))
    check(found)
    page.get_by_role("link", name="Hide").click()
    expect(page.locator("code.revealed")).to_have_count(0)


def test_what_is_not_there_or_not_allowed(sign_in: OpenAs) -> None:
    found = sign_in("mallory")
    check(found)
    assert "role" in found.page.inner_text("main")
    visit(found, "/audit/")
    assert "auditor" in found.page.inner_text("main")
    visit(found, f"{PROD}/checkout-api/", "/profile/")
    found.page.goto("/no/such/page/")
    assert "Nothing is at this address" in found.page.inner_text("main")
    check(found)


def test_what_was_overtaken(sign_in: OpenAs) -> None:
    found = sign_in("alice")
    page = found.page
    change = ask(page, f"{PROD}/identity-api", r"^[\d.]+-\d+$", reason="Twice withdrawn")
    cancel = page.get_by_role("button", name="Cancel the change")
    expect(cancel).to_be_visible()
    page.keyboard.press("p")  # Paused, so that the button outlives what it is for.
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    page.request.post(f"{change}cancel/", form={"csrfmiddlewaretoken": token}, headers={"Referer": change})
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        cancel.click()
    assert answered.value.status == 409
    expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()
    check(found)


def test_sign_in_page(watched: OpenAs) -> None:
    found = watched()
    visit(found, "/sign-in/")
    found.page.fill("input[name=username]", "nobody")
    found.page.fill("input[name=password]", "wrong")
    found.page.click("button[type=submit]")
    assert "do not match" in found.page.inner_text("main")
    check(found)
    visit(found, "/sign-in/?expired=1&next=/changes/")


def test_first_sign_in(watched: OpenAs, demo: Demo, tmp_path: Path) -> None:
    sandbox = re.search(r"Sandbox AWS:\s+(\S+)", demo.output)
    assert sandbox
    account = {
        "AWS_ENDPOINT_URL": sandbox[1],
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "333344445555",
        "AWS_SECRET_ACCESS_KEY": "any",
    }
    console = start("up", tmp_path / "data", environment=account, until="/first-sign-in/")
    try:
        link = re.search(r"http\S+/first-sign-in/\S+", console.output)
        assert link
        found = watched()
        visit(found, link[0])
        found.page.fill("input[name=password1]", "short")
        found.page.fill("input[name=password2]", "other")
        found.page.get_by_role("button").click()
        expect(found.page.locator(".err").first).to_be_visible()
        check(found)
        for name in ("password1", "password2"):
            found.page.fill(f"input[name={name}]", "a long way to the harbour")
        found.page.get_by_role("button").click()
        expect(found.page.locator("h1")).to_have_text("Fleet")
        check(found)
        found.page.goto("about:blank")  # Else its stream would complain that the console is gone.
    finally:
        stop_demo(console)
