"""A release manager's rules, who goes past them, and who looks at that afterwards, on the running stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Watched

pytestmark = pytest.mark.browser
OpenAs = Callable[..., Watched]
ROLLOUT = 150_000
# A service that no other test of the browser asks anything of.
SERVICE = "/services/111122223333/us-east-1/prod-batch/warehouse-sync"
FREEZE = "Stock-taking"


@pytest.fixture
def frozen(sign_in: OpenAs) -> Iterator[Page]:
    """A freeze that bob has set on one service, and his page."""
    page = sign_in("bob").page
    page.goto("/freezes/add/")
    start = datetime.now(UTC) - timedelta(minutes=5)
    page.fill("[name=name]", FREEZE)
    page.select_option("[name=environment]", "production")
    page.fill("[name=service]", "warehouse-sync")
    page.fill("[name=starts]", start.strftime("%Y-%m-%dT%H:%M"))
    page.fill("[name=lasts]", "3 h")
    page.get_by_role("button", name="Set it up").click()
    row = page.get_by_role("link", name=FREEZE).first
    expect(row).to_be_visible()
    yield page
    page.goto("/freezes/")
    page.get_by_role("link", name=FREEZE).first.click()
    page.fill("[name=reason][placeholder^=Why]", "Stock was taken")
    page.get_by_role("button", name="End it").click()
    expect(page.locator("main")).to_contain_text(f"{FREEZE} is taken away")


def ask_past_the_rules(page: Page, kind: str) -> str:
    """Ask for a restart in spite of what holds it up; return the change's address."""
    page.goto(f"{SERVICE}/restart/")
    expect(page.locator("main")).to_contain_text(FREEZE)
    expect(page.locator("main")).to_contain_text(re.compile(r"opens in \d"))
    page.check("[name=override]")
    for rule in page.locator("[name=override_rules]").all():
        rule.check()
    page.check(f"[name=override_kind][value={kind}]")
    page.fill("[name=override_reason]", "Pickers stand still until it is restarted")
    page.fill("[name=reason]", "Stuck on a lock")
    page.fill("[name=confirm]", "warehouse-sync")
    button = page.locator("button[value=request]")
    expect(button).not_to_have_attribute("aria-disabled", "true", timeout=20_000)
    button.click()
    page.wait_for_url("**/changes/*/")
    return page.url


def close_review(page: Page, found: str) -> None:
    """Close the open review from the inbox."""
    page.goto("/approvals/")
    card = page.locator("article.req", has_text="Review:")
    expect(card).to_contain_text(FREEZE)
    card.locator("input[name=review]").fill(found)
    with page.expect_navigation():
        card.get_by_role("button", name="Justified", exact=True).click()
    page.goto("/approvals/")
    expect(page.locator("article.req", has_text="Review:")).to_have_count(0)


def test_freeze_holds_everybody_until_a_second_manager_agrees_to_go_past_it(
    sign_in: OpenAs, frozen: Page
) -> None:
    operator = sign_in("alice")
    operator.page.goto(f"{SERVICE}/restart/")
    expect(operator.page.locator("main")).to_contain_text(FREEZE)
    expect(operator.page.locator("[name=override]")).to_have_count(0)
    operator.check_accessibility()
    change = ask_past_the_rules(frozen, "override")
    expect(frozen.locator(".page-head")).to_contain_text("Awaiting approval")
    expect(frozen.locator("main")).to_contain_text("Goes past the rules")
    assert frozen.locator("button:not([aria-disabled=true])", has_text=re.compile("^Approve")).count() == 0
    second = sign_in("frank").page
    second.goto("/approvals/")
    card = second.locator("article.req", has_text="Stuck on a lock")
    expect(card).to_contain_text(f"Goes past{FREEZE}")
    expect(card).to_contain_text("Pickers stand still")
    card.locator("input[name=comment]").fill("Go")
    with second.expect_navigation():
        card.get_by_role("button", name="Approve").click()
    expect(frozen.locator(".page-head")).to_contain_text("Succeeded", timeout=ROLLOUT)
    # Whoever asked never closes it.
    frozen.goto("/approvals/")
    expect(frozen.locator("article.req", has_text="Review:")).to_have_count(0)
    close_review(second, "Looked at the lock")
    frozen.goto(change)
    expect(frozen.locator("#override")).to_contain_text("Looked at the lock")


def test_glass_is_broken_by_somebody_on_call_and_reviewed_by_a_manager(sign_in: OpenAs, frozen: Page) -> None:
    on_call = sign_in("gina").page
    change = ask_past_the_rules(on_call, "break_glass")
    expect(on_call.locator(".page-head")).to_contain_text("Succeeded", timeout=ROLLOUT)
    expect(on_call.locator("#override")).to_contain_text("The glass was broken")
    expect(on_call.locator("#override button")).to_have_count(0)
    close_review(frozen, "Had to be")
    auditor = sign_in("dan").page
    number = re.search(r"/changes/(\d+)/", change)
    assert number
    auditor.goto("/audit/reports/overrides/")
    expect(auditor.locator("main")).to_contain_text(f"CR-{number[1]}")
    expect(auditor.locator("main")).to_contain_text("Had to be")
