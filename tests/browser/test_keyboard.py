"""A tour of the pages by the keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.browser.conftest import Served, find, settled, until

FOCUSED = "document.activeElement"
ARRIVED = f"""async (claim) => {{
    while (document.querySelector('.later')) await new Promise(requestAnimationFrame)
    for (let i = 0; i < 2 && {FOCUSED}.closest('[role=table]'); i++) await new Promise(requestAnimationFrame)
    return {FOCUSED}.matches(claim)
}}"""
"""Whether what has the focus is as claimed. The first Tab makes all of a page, and a table has its next rows two frames
after it was scrolled, not before."""
STOPS = 400
"""More presses of Tab than any of these pages has stops."""
REMEMBER = "() => { window.been = new Set(); addEventListener('focusin', (event) => window.been.add(event.target)) }"
MISSED = """() => [...document.querySelectorAll('a[href], button:enabled, select, input, textarea, [tabindex="0"]')]
    .filter((each) => each.tabIndex >= 0 && each.checkVisibility() && !window.been.has(each))
    .map((each) => each.outerHTML.slice(0, 120))"""


def tab_to(page: Any, claim: str) -> None:
    """Press Tab until what has the focus is as claimed."""
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        if page.evaluate(ARRIVED, claim):
            return
    raise AssertionError(f"no way to {claim}")


@pytest.fixture
def page(browse: Any, dashboard: Served) -> Any:
    return settled(browse(dashboard.address("two-hundred")))


def test_a_first_tab_leads_past_the_navigation(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate(f"{FOCUSED}.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate(f"{FOCUSED}.id") == "content"


def test_every_page_and_all_that_is_on_it_is_reached(page: Any) -> None:
    titles = page.locator("nav[aria-label=Pages] a").all_inner_texts()
    assert len(titles) == 9
    for title in titles:
        tab_to(page, f'nav a[href*="{page.get_by_role("link", name=title, exact=True).get_attribute("href")}"]')
        page.keyboard.press("Enter")
        page.locator("main h1").filter(has_text=title).wait_for(state="attached")
        settled(page)
        assert page.evaluate(f"{FOCUSED}.textContent") == title  # who went there can go on from there
        page.evaluate(REMEMBER)
        tab_to(page, ".skip")
        tab_to(page, "nav [aria-current=page]")
        assert page.evaluate(MISSED) == [], title


def test_a_trial_is_opened_in_the_table_and_gives_the_focus_back(page: Any) -> None:
    page.keyboard.press("]")
    page.keyboard.press("]")
    page.locator("main h1").filter(has_text="Trials").wait_for(state="attached")
    settled(page)
    tab_to(page, "[role=table]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    until(page, f"{FOCUSED}.matches('[role=dialog]')")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    until(page, f"{FOCUSED}.matches('[role=table]')")


def test_a_question_gives_the_focus_back(page: Any) -> None:
    stop = page.get_by_role("button", name="Stop…")
    stop.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    until(page, f"{FOCUSED}.closest('dialog') !== null")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    until(page, f"{FOCUSED}.textContent === 'Stop…'")


def test_keys_and_places_are_listed(page: Any) -> None:
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    find(page, "model")
    page.keyboard.press("Enter")
    page.locator("main h1").filter(has_text="Model").wait_for(state="attached")
