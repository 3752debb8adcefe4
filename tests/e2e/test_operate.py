"""An on-call engineer's and a release manager's day, in a real browser on the running stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Demo, Watched

pytestmark = pytest.mark.browser
OpenAs = Callable[..., Watched]
# A rollout takes minutes of world time; the demo's clock runs faster, the machine may be slow.
ROLLOUT = 150_000
STAGING = "/services/222233334444/us-east-1/staging-core"
DEV = "/services/333344445555/us-east-1/dev-core"
PROD = "/services/111122223333/us-east-1/prod-core"


def state(page: Page) -> str:
    return page.locator(".page-head").inner_text()


def pick_image(page: Page, pattern: str) -> str:
    """Choose the newest offered image whose tag matches, and return the tag."""
    options = page.locator("fieldset.pick label", has=page.locator("input"))
    expect(options.nth(1)).to_be_visible(timeout=20_000)
    for label in options.all()[1:]:
        tag = label.locator(".ver").inner_text().strip()
        if re.search(pattern, tag) and "running now" not in label.inner_text():
            label.click()
            return tag
    raise AssertionError(f"no image matches {pattern}")


def change_command(page: Page, container: str) -> None:
    """Set a command of three lines and add a log option, and see both in the plan of that container."""
    page.locator(f"#command-{container} > summary").click()
    lines = page.get_by_label(f"Command of {container}, one argument a line")
    expect(lines).to_be_hidden()
    page.get_by_label("Command", exact=True).first.select_option("set")
    lines.fill("serve\n--password\nhunter2\n--banner=two words")
    page.locator(f"#logs-{container} > summary").click()
    page.locator(f"#logs-{container} .envs-add > summary").click()
    page.get_by_label(f"Name of a new log option of {container}").first.fill("mode")
    page.get_by_label("Value of the new log option").first.fill("non-blocking")
    diff = page.get_by_role("region", name=f"Changes of {container}, side by side")
    for said in ("--banner=two words", "logConfiguration.options.mode", "non-blocking"):
        expect(diff).to_contain_text(said, timeout=20_000)
    expect(page.locator(f"#changes-{container}")).to_have_text("image, command, 1 log option changed")
    assert "hunter2" not in page.locator("#deploy-diff").inner_text()


def submit(page: Page) -> None:
    """Press the final button once it says that it can work, and arrive at the change."""
    button = page.locator("button[value=request]")
    expect(button).not_to_have_attribute("aria-disabled", "true", timeout=20_000)
    button.click()
    page.wait_for_url("**/changes/*/")


def test_find_a_service_by_slash(sign_in: OpenAs) -> None:
    page = sign_in("carol").page
    page.keyboard.press("/")
    page.keyboard.type("ledger-writer")
    hit = page.locator("#palette a", has_text="ledger-writer").first
    expect(hit).to_be_visible()
    page.keyboard.press("ArrowDown") if not hit.evaluate(
        "e => e.matches('[aria-selected=true], :focus')"
    ) else None
    hit.click()
    expect(page.locator("h1")).to_have_text("ledger-writer")


def test_fleet_filters_are_in_the_address(sign_in: OpenAs) -> None:
    page = sign_in("carol").page
    page.locator(".tally a, .tally button", has_text="Failed").first.click()
    page.wait_for_url(re.compile("status=failed"))
    expect(page.locator("a.name", has_text="fraud-scorer")).to_be_visible()
    expect(page.locator("a.name", has_text="vat-calculator")).to_have_count(0)
    page.reload()
    expect(page.locator("a.name", has_text="vat-calculator")).to_have_count(0)


def test_good_deploy_succeeds_before_the_eyes_of_who_asked(sign_in: OpenAs) -> None:
    found = sign_in("alice")
    page = found.page
    page.goto(f"{DEV}/catalog-api/deploy/")
    tag = pick_image(page, r"^[\d.]+-\d+$")
    expect(page.locator("#deploy-plan")).to_contain_text("ecs:UpdateService", timeout=20_000)
    parameters = page.locator("#deploy-plan details", has_text="Parameters").last
    parameters.locator("summary").click()
    text, card = parameters.locator("pre").bounding_box(), page.locator("#deploy-plan").bounding_box()
    assert text is not None
    assert card is not None
    assert text["width"] > card["width"] / 2, "the parameters stand in the column of the number"
    parameters.locator("summary").click()
    change_command(page, "catalog-api")
    found.check_accessibility()
    submit(page)
    expect(page.locator("main")).to_contain_text(tag)
    expect(page.locator("main")).to_contain_text("--banner=two words")
    assert "hunter2" not in page.content()
    page.evaluate("window.__same = true")
    expect(page.locator(".page-head")).to_contain_text("Succeeded", timeout=ROLLOUT)
    assert page.evaluate("window.__same"), "the page was loaded anew"
    expect(page.locator("main")).to_contain_text("SUCCESSFUL")
    found.check_accessibility()
    page.goto(f"{DEV}/catalog-api/")
    expect(page.locator("main")).to_contain_text(tag)


def test_crashing_image_is_rolled_back_and_said_so(sign_in: OpenAs) -> None:
    found = sign_in("alice")
    page = found.page
    page.goto(f"{STAGING}/cart-api/deploy/")
    pick_image(page, "crash")
    submit(page)
    expect(page.locator(".page-head")).to_contain_text("Rolled back", timeout=ROLLOUT)
    assert "Succeeded" not in state(page)
    expect(page.locator("main")).to_contain_text("circuit breaker")
    found.check_accessibility()
    page.goto("/?status=failed")
    expect(page.locator("a.name", has_text="cart-api").first).to_be_visible()


def test_scale_and_roll_back(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    page.goto(f"{DEV}/web-frontend/scale/")
    count = page.locator("input[name=desired_count]")
    before = int(count.input_value())
    count.fill(str(before + 1))
    submit(page)
    expect(page.locator(".page-head")).to_contain_text("Succeeded", timeout=ROLLOUT)
    page.goto(f"{DEV}/web-frontend/")
    expect(page.locator("main")).to_contain_text(f"{before + 1} running")
    page.goto(f"{DEV}/web-frontend/rollback/")
    submit(page)
    expect(page.locator(".page-head")).to_contain_text("Succeeded", timeout=ROLLOUT)
    page.goto(f"{DEV}/web-frontend/deployments/")
    expect(page.locator("main")).to_contain_text("CR-")


def test_production_waits_for_another_person_and_its_requester_may_not_approve(sign_in: OpenAs) -> None:
    requester = sign_in("alice").page
    requester.goto(f"{PROD}/catalog-api/deploy/")
    pick_image(requester, r"^[\d.]+-\d+$")
    requester.fill("textarea[name=reason]", "Weekly release")
    button = requester.locator("button[value=request]")
    expect(button).to_have_attribute("aria-disabled", "true")
    requester.fill("input[name=confirm]", "catalog-api")
    submit(requester)
    expect(requester.locator(".page-head")).to_contain_text("Awaiting approval")
    change = requester.url
    assert requester.locator("button:not([aria-disabled=true])", has_text=re.compile("^Approve")).count() == 0
    approver = sign_in("bob").page
    approver.goto("/approvals/")
    card = approver.locator("article.req", has_text="Weekly release").first
    card.locator("input[name=comment]").fill("Looks right")
    card.get_by_role("button", name="Approve").click()
    approver.wait_for_load_state()
    # Alice's page follows by itself.
    expect(requester.locator(".page-head")).not_to_contain_text("Awaiting approval", timeout=30_000)
    expect(requester.locator("main")).to_contain_text("Looks right")
    expect(requester.locator(".page-head")).to_contain_text("Succeeded", timeout=ROLLOUT)
    auditor = sign_in("dan").page
    number = re.search(r"/changes/(\d+)/", change)
    assert number
    auditor.goto(f"/audit/?q=CR-{number[1]}")
    for action in ("change.requested", "change.approved"):
        expect(auditor.locator("main")).to_contain_text(action)


@pytest.mark.parametrize("verb", ["deploy", "restart", "scale", "rollback"])
def test_viewer_is_refused_with_the_missing_permission(sign_in: OpenAs, verb: str) -> None:
    page = sign_in("carol").page
    answer = page.goto(f"{PROD}/checkout-api/{verb}/")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text(f"service.{verb}")
    expect(page.locator("main")).to_contain_text("operator")


def test_buttons_that_a_role_lacks_are_there_and_say_why(sign_in: OpenAs) -> None:
    page = sign_in("carol").page
    page.goto(f"{PROD}/checkout-api/")
    locked = page.locator("#service-actions [aria-disabled=true]")
    expect(locked.first).to_be_visible()
    assert locked.count() >= 4
    expect(page.locator("#service-actions")).to_contain_text("operator")


def test_live_logs_of_a_service(sign_in: OpenAs) -> None:
    page = sign_in("carol").page
    page.goto(f"{PROD}/checkout-api/logs/")
    lines = page.locator("#log-lines > li")
    expect(lines.first).to_be_visible(timeout=30_000)
    before = lines.count()
    page.wait_for_function(
        "n => document.querySelectorAll('#log-lines > li').length > n", arg=before, timeout=60_000
    )


def test_deployment_from_the_command_line_is_shown_as_outside(sign_in: OpenAs, demo: Demo) -> None:
    sandbox = re.search(r"Sandbox AWS:\s+(\S+)", demo.output)
    assert sandbox
    script = """
import boto3, os, sys
ecs = boto3.client("ecs", region_name="us-east-1")
ecs.update_service(cluster="dev-core", service="feature-flags", forceNewDeployment=True)
"""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": sandbox[1],
        "AWS_ACCESS_KEY_ID": "333344445555",
        "AWS_SECRET_ACCESS_KEY": "any",
    }
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    page = sign_in("carol").page
    page.goto(f"{DEV}/feature-flags/deployments/")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("outside the console", timeout=40_000)
    expect(row).to_contain_text(re.compile("IN_PROGRESS|SUCCESSFUL|PENDING"), timeout=40_000)


def test_signed_out_person_sees_nothing_of_it(sign_in: OpenAs) -> None:
    found = sign_in("carol")
    page = found.page
    page.locator("[popovertarget=m-user]").first.click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/**")
    assert page.request.get("/rail/", headers={"HX-Request": "true"}).status == 401


def test_export_of_the_ledger(sign_in: OpenAs) -> None:
    page = sign_in("dan").page
    answer = page.request.get("/audit/export.csv")
    assert answer.text().startswith("seq,at,actor,action")
    assert json.dumps("sign_in.ok").strip('"') in answer.text()
