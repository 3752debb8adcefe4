"""Every page for an auditor's and an operator's eyes: no console error, no CSP violation, no axe violation, no overflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.conftest import Watched

pytestmark = pytest.mark.browser
OpenAs = Callable[..., Watched]
# Page, and the link by which a person gets there from the page before; the first is an address.
SERVICE = "a.name:has-text('checkout-api')"
TABS = ["Tasks", "Events", "Deployments", "Logs", "Configuration"]
SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
OVERFLOW = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


def check(found: Watched) -> None:
    """Check the page as it stands, once what it loads by itself is there."""
    page = found.page
    page.wait_for_timeout(400)
    assert page.locator("h1").count() == 1, page.url
    assert page.evaluate(OVERFLOW) <= 0, f"{page.url} is wider than its window"
    found.check_accessibility()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pages_of_the_fleet(sign_in: OpenAs, size: str, scheme: str) -> None:
    found = sign_in("alice", viewport=SIZES[size], color_scheme=scheme)
    page = found.page
    check(found)
    page.goto(page.locator(SERVICE).first.get_attribute("href") or "")
    check(found)
    service = page.url
    for tab in TABS:
        page.locator(".tabs a", has_text=tab).first.click()
        check(found)
    page.goto(service)
    task = page.locator("#service-tasks a[href*='/tasks/']").first.get_attribute("href") or ""
    page.goto(task)
    check(found)
    for verb in ("deploy", "restart", "scale", "rollback"):
        page.goto(f"{service}{verb}/")
        check(found)
    for path in ("/task-definitions/", "/changes/", "/approvals/", "/deployments/", "/logs/", "/profile/"):
        page.goto(path)
        check(found)


@pytest.mark.parametrize("size", SIZES)
def test_pages_of_definitions_and_clusters(sign_in: OpenAs, size: str) -> None:
    found = sign_in("carol", viewport=SIZES[size])
    page = found.page
    page.goto("/task-definitions/?q=checkout-api")
    page.goto(page.locator("main a[href*='checkout-api']").first.get_attribute("href") or "")
    check(found)
    page.goto(
        page.locator("main a[href*='/task-definitions/'][href*='checkout-api/']").first.get_attribute("href")
        or ""
    )
    check(found)
    page.goto("/?view=cluster")
    page.goto(page.locator("main a[href*='/clusters/']").first.get_attribute("href") or "")
    check(found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_the_ledger(sign_in: OpenAs, size: str, scheme: str) -> None:
    found = sign_in("dan", viewport=SIZES[size], color_scheme=scheme)
    page = found.page
    page.goto("/audit/")
    check(found)
    page.goto(
        page.locator("main a[href^='/audit/']:not([href*='csv']):not([href*='?'])").first.get_attribute(
            "href"
        )
        or ""
    )
    check(found)
    page.goto("/audit/?verify=1")
    assert "verified" in page.inner_text("main")


def test_what_is_not_there_or_not_allowed(sign_in: OpenAs) -> None:
    found = sign_in("mallory")
    check(found)
    assert "role" in found.page.inner_text("main")
    found.page.goto("/audit/")
    assert "auditor" in found.page.inner_text("main")
    check(found)
    found.page.goto("/services/111122223333/us-east-1/prod-core/checkout-api/")
    assert "Nothing is at this address" in found.page.inner_text("main")
    check(found)


def test_sign_in_page(watched: OpenAs) -> None:
    found = watched()
    found.page.goto("/sign-in/")
    found.check_accessibility()
    found.page.fill("input[name=username]", "nobody")
    found.page.fill("input[name=password]", "wrong")
    found.page.click("button[type=submit]")
    assert "do not match" in found.page.inner_text("main")
    found.check_accessibility()
