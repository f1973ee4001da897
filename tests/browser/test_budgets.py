"""What pages may cost: bytes, nodes, and seconds of the main thread's processor, however busy the machine is."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Meter, Served, settled

from kilter.dashboard.files import STATIC

ALL_SCRIPTS, FIRST_SCRIPTS = 150_000, 60_000
"""Bytes of JavaScript, compressed: of all pages together, and before the first picture."""
MOVES = 20


def compressed(script: Path) -> int:
    return len(gzip.compress(script.read_bytes(), 9, mtime=0))


def opened(page: Any, address: str) -> tuple[float, Meter]:
    """Seconds of the processor that a page takes until it is there, and what measures it further."""
    meter = Meter(page)
    page.goto(address)
    seconds = meter.settled()
    settled(page)
    return seconds, meter


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
    seconds, meter = opened(page, dashboard.address("five-thousand", path))
    assert seconds <= 0.3
    assert meter.bytes <= 500_000
    assert page.evaluate("document.getElementsByTagName('*').length") <= 3_000


def test_a_hundred_thousand_trials_are_smooth(browse: Any, dashboard: Served) -> None:
    page = browse("about:blank")
    seconds, meter = opened(page, dashboard.address("hundred-thousand", "explore"))
    assert seconds <= 0.3
    assert meter.bytes <= 5_000_000
    trials = page.evaluate("window.__kilter.trials")
    assert trials >= 100_000
    assert page.evaluate("window.__kilter.drawn.parallel") == trials
    box = page.locator("[data-plot='course']").bounding_box()

    def cost(down: bool) -> float:
        """Milliseconds of a move of the mouse over the plot."""
        page.mouse.move(box["x"] + 300, box["y"] + 40)
        if down:
            page.mouse.down()
        page.mouse.move(box["x"] + 320, box["y"] + 90)
        before = meter.settled()  # the first one builds what the next ones use
        for i in range(MOVES):
            page.mouse.move(box["x"] + 320 + 19 * i, box["y"] + 90 + 3 * i)
            page.wait_for_timeout(80)
        return (meter.settled() - before) / MOVES * 1_000

    hovering, brushing = cost(down=False), cost(down=True)
    print(f"first view {seconds:.3f} s, {meter.bytes} bytes; hover {hovering:.1f} ms, brushing {brushing:.1f} ms")
    assert hovering <= 4
    assert brushing <= 50
    assert page.evaluate("window.__kilter.selected") < trials
