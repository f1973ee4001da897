"""Every page of every study: nothing goes wrong on it, it fits on narrow screens and wide ones, and all can use it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.browser.conftest import Served, offences, overflow, settled
from tests.browser.studies import STUDIES

OF_A_STUDY = ("", "explore", "trials", "trials?trial=0", "curves", "tradeoffs", "timeline", "lineage", "model", "space")
WIDTHS = (1400, 360)


def pages(dashboard: Served, name: str) -> list[str]:
    """The addresses of all pages that show something of a study."""
    other = next(other for other in ("folds", "three") if other != name)
    ids = f"{dashboard.id(name)},{dashboard.id(other)}"
    addresses = [dashboard.address(name, path) for path in OF_A_STUDY]
    return [*addresses, f"{dashboard.url}#/compare?studies={ids}", dashboard.url]


def faults(page: Any) -> list[str]:
    """What is wrong with a page at both widths, in words."""
    wrong = page.locator("main .trouble").all_inner_texts()
    if page.locator("main .panel, main .table, main .lonely").count() == 0:
        wrong.append("nothing is there")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if (wider := overflow(page)) > 0:
            wrong.append(f"{wider} pixels wider than {width}")
    return wrong


@pytest.mark.parametrize("name", STUDIES)
def test_every_page_of_every_study_is_whole(browse: Any, dashboard: Served, name: str) -> None:
    page = browse("about:blank")
    for address in pages(dashboard, name):
        page.goto(address)
        settled(page)
        browse.wrong += [f"{address}: {fault}" for fault in faults(page)]
        if STUDIES[name].trials >= 5_000:
            assert page.evaluate("document.getElementsByTagName('*').length") <= 3_000, address


@pytest.mark.parametrize("name", ["two-hundred", "three-objectives", "population", "conditional"])
def test_everybody_can_use_every_page(browse: Any, dashboard: Served, name: str) -> None:
    page = browse("about:blank")
    for address in pages(dashboard, name):
        page.goto(address)
        settled(page)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            browse.wrong += [f"{address} ({theme}): {each}" for each in offences(page)]
        short = "plots => plots.map(plot => plot.getAttribute('aria-label')).filter(label => !(label?.length > 20))"
        assert page.locator("main canvas[role=img]").evaluate_all(short) == [], address
