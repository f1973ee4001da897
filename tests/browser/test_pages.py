"""Studies, overview, trials and space, as people see and use them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.browser.conftest import Served, offences, overflow, settled
from tests.browser.studies import HOSTILE

STRANGE = ("empty", "one", "three", "conditional", "two-objectives", "all-failed", "nan-and-inf", HOSTILE)
PAGES = ("", "trials", "trials?trial=0", "space")


@pytest.mark.parametrize("name", STRANGE)
def test_every_page_of_every_study_is_whole(browse: Any, dashboard: Served, name: str) -> None:
    page = browse(dashboard.address(name), width=360)
    for path in PAGES:
        page.goto(dashboard.address(name, path))
        settled(page)
        assert overflow(page) <= 0, path
        assert page.evaluate("document.title").endswith("kilter")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_them(browse: Any, dashboard: Served, theme: str) -> None:
    page = browse(dashboard.url, theme=theme)
    for address in (dashboard.url, *(dashboard.address("two-hundred", path) for path in PAGES)):
        page.goto(address)
        settled(page)
        assert offences(page) == [], address
