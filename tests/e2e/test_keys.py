"""The keyboard, and what a live update must never take from somebody's hands."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Watched

pytestmark = pytest.mark.browser
OpenAs = Callable[..., Watched]
SERVICE = "/services/111122223333/us-east-1/prod-core/checkout-api/"


def focused(page: Page, attribute: str = "id") -> str:
    return str(page.evaluate("name => document.activeElement?.getAttribute(name) ?? ''", attribute))


def nudge(page: Page, element: str) -> None:
    """Let an element hear its own topic, as if the server had just sent it, and wait for the answer's swap."""
    page.evaluate(
        """id => {
            window.__swapped = false;
            const element = document.getElementById(id);
            document.addEventListener('htmx:after:swap', event => {
                if (event.detail.ctx?.sourceElement === element) window.__swapped = true;
            });
            const topic = element.getAttribute('hx-trigger').match(/([a-z-]+(:\\d+)?) from:body/)[1];
            document.body.dispatchEvent(new CustomEvent(topic, {bubbles: true}));
        }""",
        element,
    )
    page.wait_for_function("() => window.__swapped")


def test_palette_opens_by_slash_and_gives_the_focus_back(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    # By its address: which row is the first changes while the inventory of a new demo comes in.
    opener = page.locator(f"a.name[href='{SERVICE}']")
    opener.focus()
    page.keyboard.press("/")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type("ledger")
    expect(page.locator("#palette [role=option]").first).to_contain_text("ledger")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()
    expect(opener).to_be_focused()


def test_palette_gives_the_focus_to_what_a_live_update_put_in_the_place_of_its_opener(
    sign_in: OpenAs,
) -> None:
    page = sign_in("alice").page
    # By its address: which row is the first changes while the inventory of a new demo comes in.
    opener = page.locator(f"a.name[href='{SERVICE}']")
    opener.focus()
    page.keyboard.press("/")
    expect(page.locator("#palette-input")).to_be_focused()
    opener.evaluate("link => link.closest('tr').replaceWith(link.closest('tr').cloneNode(true))")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def end_session(page: Page) -> None:
    """Sign the same browser out in another tab, and wait until the page knows."""
    other = page.context.new_page()
    other.goto("/")
    other.evaluate("document.querySelector('form[action*=sign-out]').submit()")
    other.wait_for_url("**/sign-in/**")
    other.close()


def test_page_on_which_nothing_was_typed_goes_to_the_sign_in_when_the_session_ends(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    page.goto("/changes/")
    end_session(page)
    page.wait_for_url("**/sign-in/?expired=1&next=%2Fchanges%2F", timeout=60_000)
    expect(page.locator("main")).to_contain_text("Your session ended")


def test_what_was_typed_outlives_the_session(sign_in: OpenAs) -> None:
    found = sign_in("alice")
    page = found.page
    page.goto("/services/222233334444/us-east-1/staging-core/identity-api/restart/")
    page.fill("[name=reason]", "Typed before the night")
    button = page.locator("button[value=request]")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    end_session(page)
    expect(page.locator("#signed-out")).to_be_visible(timeout=60_000)
    found.check_accessibility()
    button.click()
    expect(page.locator("#signed-out")).to_be_visible()
    with page.context.expect_page() as opened:
        page.locator("#signed-out a").click()
    other = opened.value
    other.fill("#id_username", "alice")
    other.fill("#id_password", "demo")
    other.keyboard.press("Enter")
    expect(other.locator("#live")).to_be_visible()
    other.close()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator("#signed-out")).to_be_hidden()
    expect(page.locator("[name=reason]")).to_have_value("Typed before the night")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    button.click()
    page.wait_for_url("**/changes/*/")
    expect(page.locator("main")).to_contain_text("Typed before the night")


def until_renewed(options: Locator, ask: Callable[[], None]) -> None:
    """Have the palette ask the server, and wait until its answer has taken the place of what is shown."""
    expect(options.first).to_be_visible()
    options.first.evaluate("option => { option.dataset.early = '' }")
    ask()
    expect(options.page.locator("#palette [data-early]")).to_have_count(0)
    expect(options.and_(options.page.locator("[aria-selected=true]"))).to_have_count(1)


def look_for(page: Page, text: str) -> Locator:
    """Open the palette and return the options that were found for a text."""
    page.keyboard.press("/")
    expect(page.locator("#palette-input")).to_be_focused()
    options = page.locator("#palette [role=option]")
    until_renewed(options, lambda: page.locator("#palette-input").fill(text))
    return options


def test_palette_is_worked_by_arrows_and_enter(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    options = look_for(page, "cart-api")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/**/cart-api/")


def test_results_that_come_late_leave_the_selection_where_it_was_moved(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    options = look_for(page, "cart-api")
    page.keyboard.press("ArrowDown")
    chosen = options.nth(1).get_attribute("href")
    until_renewed(options, lambda: page.locator("#palette-input").dispatch_event("palette:open"))
    # By its address: the order may change while the inventory of a new demo comes in.
    assert page.locator("#palette [aria-selected=true]").get_attribute("href") == chosen


def test_who_signs_out_is_not_told_that_their_session_ended(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    page.goto("/changes/")
    page.evaluate(
        """document.getElementById("sign-out").addEventListener("submit", () =>
            setTimeout(() => document.dispatchEvent(new Event("logout"))))"""
    )
    page.click("[popovertarget=m-user]")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in/**")
    assert "expired" not in page.url
    assert "next" not in page.url


def test_help_opens_and_closes(sign_in: OpenAs) -> None:
    found = sign_in("alice")
    page = found.page
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    found.check_accessibility()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).not_to_be_visible()


def test_rows_are_walked_by_j_and_k_and_problems_by_n(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    names = page.locator("main tr[id] a.name")
    page.keyboard.press("j")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(names.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("n")
    assert page.evaluate("Boolean(document.activeElement.closest('.failed, .degraded'))")


def test_places_are_reached_by_g_and_a_letter(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    for letter, title in (("c", "Changes"), ("a", "Approvals"), ("l", "Logs"), ("f", "Fleet")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator("h1")).to_have_text(title)
        page.wait_for_load_state()


def test_keys_are_letters_in_a_text_field_and_escape_leaves_it(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    page.keyboard.press("f")
    field = page.locator("[data-filter]").first
    expect(field).to_be_focused()
    page.keyboard.type("g/n?")
    expect(field).to_have_value("g/n?")
    expect(page.locator("#palette")).not_to_be_visible()
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()


def test_service_keys_open_and_change_nothing(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    page.goto(SERVICE)
    expect(page.locator("#act-deploy")).to_be_visible()
    page.keyboard.press("3")
    page.wait_for_url("**/events/")
    expect(page.locator("#act-deploy")).to_be_visible()
    page.keyboard.press("d")
    page.wait_for_url("**/deploy/")


def test_live_update_keeps_the_focus_on_a_row(sign_in: OpenAs) -> None:
    page = sign_in("alice").page
    page.goto(SERVICE)
    link = page.locator("#service-tasks a.name").nth(2)
    address = link.get_attribute("href")
    link.focus()
    nudge(page, "service-tasks")
    assert focused(page, "href") == address


def test_live_update_keeps_an_open_details_and_a_half_typed_comment(sign_in: OpenAs) -> None:
    requester = sign_in("alice").page
    requester.goto("/services/111122223333/us-east-1/prod-core/pricing-api/deploy/")
    good = requester.locator(".ver", has_text=re.compile(r"^[\d.]+-\d+$"))
    image = requester.locator("fieldset.pick label", has=good, has_not_text="running now").first
    expect(image).to_be_visible(timeout=20_000)
    image.click()
    requester.fill("textarea[name=reason]", "To be read with care")
    requester.fill("input[name=confirm]", "pricing-api")
    button = requester.locator("button[value=request]")
    expect(button).not_to_have_attribute("aria-disabled", "true", timeout=20_000)
    button.click()
    requester.wait_for_url("**/changes/*/")
    page = sign_in("bob").page
    page.goto(requester.url)
    page.locator("#checks-capacity-ok > summary").click()
    comment = page.locator("#change input[name=comment]").first
    comment.press_sequentially("Half of a sent")
    nudge(page, "change")
    expect(comment).to_be_focused()
    expect(comment).to_have_value("Half of a sent")
    expect(page.locator("#checks-capacity-ok")).to_have_attribute("open", "")
    page.keyboard.type("ence")
    expect(comment).to_have_value("Half of a sentence")
