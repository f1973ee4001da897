"""What pages may cost: bytes, nodes, and seconds of the main thread's processor, however busy the machine is."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser.conftest import Meter, Served, settled

from kilter.core.history import History
from kilter.dashboard.columns import Columns
from kilter.dashboard.files import STATIC
from kilter.dashboard.reading import Reading

ALL_SCRIPTS, FIRST_SCRIPTS = 150_000, 60_000
"""Bytes of JavaScript, compressed: of all pages together, and before the first picture."""
TRIALS, MOVES = 100_000, 20


def compressed(script: Path) -> int:
    return len(gzip.compress(script.read_bytes(), 9, mtime=0))


SETTLES = 2_500
"""Milliseconds in which a page draws, and what comes later comes."""


def opened(page: Any, address: str) -> float:
    """Seconds of the processor that a page takes, looked at only afterwards: to look at it takes some, too."""
    meter = Meter(page)
    page.goto(address)
    page.wait_for_timeout(SETTLES)
    seconds = meter.seconds()
    settled(page)
    return seconds


def test_scripts_are_small() -> None:
    assert sum(map(compressed, (STATIC / "assets").glob("*.js"))) <= ALL_SCRIPTS
    assert compressed(STATIC / "report.js") <= ALL_SCRIPTS


@pytest.mark.parametrize("path", ["", "explore", "trials"])
def test_little_is_loaded_before_the_first_picture(browse: Any, dashboard: Served, path: str) -> None:
    for address in (dashboard.url, dashboard.address("three", path)):
        page = settled(browse(address))
        loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        scripts = {STATIC / "assets" / name for url in loaded if (name := url.rsplit("/", 1)[1]).endswith(".js")}
        assert sum(map(compressed, scripts)) <= FIRST_SCRIPTS, scripts


@pytest.mark.parametrize("path", ["", "explore", "trials", "curves", "timeline"])
def test_five_thousand_trials_are_light(browse: Any, dashboard: Served, path: str) -> None:
    page = browse("about:blank")
    received = Meter(page)
    assert opened(page, dashboard.address("five-thousand", path)) <= 0.3
    assert page.evaluate("document.querySelectorAll('*').length") <= 3_000
    assert received.bytes <= 500_000


def enlarged(dashboard: Served, name: str) -> bytes:
    """The columns of a study, as if it had very many trials: its own ones again and again, each a bit elsewhere."""
    study = Reading(dashboard.storage).study(dashboard.id(name))
    history: History = study.log.replica.history
    columns = Columns(history, 0.0)
    columns.update(history, range(len(history)))
    chance = np.random.default_rng(0)
    for column in columns._columns.values():
        numbers = np.resize(column.numbers[: len(history)], TRIALS)
        noise = chance.normal(1.0, 0.05, TRIALS) if column.dtype == "f4" else 1
        column.numbers = (numbers * noise).astype(numbers.dtype)
    columns.trials = TRIALS
    return columns.packed(study.id, study.revision)


def test_a_hundred_thousand_trials_are_smooth(browse: Any, dashboard: Served) -> None:
    body = enlarged(dashboard, "two-hundred")
    page = browse("about:blank")
    page.route(re.compile("/columns"), lambda route: route.fulfill(body=body, content_type="application/octet-stream"))
    assert opened(page, dashboard.address("two-hundred", "explore")) <= 0.3
    assert page.evaluate("window.__kilter.drawn.parallel") == TRIALS
    assert page.evaluate("document.querySelectorAll('*').length") <= 3_000
    meter = Meter(page)
    box = page.locator("[data-plot='course']").bounding_box()

    def cost(down: bool) -> float:
        """Milliseconds of a move of the mouse over the plot."""
        page.mouse.move(box["x"] + 300, box["y"] + 40)
        if down:
            page.mouse.down()
        page.mouse.move(box["x"] + 320, box["y"] + 90)
        page.wait_for_timeout(400)  # the first one builds what the next ones use
        before = meter.seconds()
        for i in range(MOVES):
            page.mouse.move(box["x"] + 320 + 19 * i, box["y"] + 90 + 3 * i)
            page.wait_for_timeout(80)
        return (meter.seconds() - before) / MOVES * 1_000

    assert cost(down=False) <= 4
    assert cost(down=True) <= 50
    assert page.evaluate("window.__kilter.selected") < TRIALS
