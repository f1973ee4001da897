"""Explore: one selection in all plots, in the table and in the address, and it outlives news."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser.conftest import Served, find, settled, until
from tests.dashboard.decoding import decoded

from kilter import replay
from kilter.core.events import Ended, Noted, TrialState
from kilter.dashboard.news import EVERY
from kilter.dashboard.reading import Reading
from kilter.dashboard.report import report

SIDE = 44 / 1340
"""Where the first axis of the parallel coordinates stands, as a share of their width."""


@pytest.fixture(scope="module")
def known(dashboard: Served) -> dict[str, np.ndarray]:
    """The columns of two hundred trials, as the page gets them."""
    data = Reading(dashboard.storage).study(dashboard.id("two-hundred")).columns(None)
    return decoded(data).columns


def explored(browse: Any, address: str, **settings: Any) -> Any:
    """The page, with all that it shows drawn."""
    page = settled(browse(address, **settings))
    until(page, "'course' in window.__kilter.drawn")
    return page


def state(page: Any, name: str) -> int:
    return int(page.evaluate(f"window.__kilter.{name}"))


def selects(page: Any, count: int) -> None:
    until(page, "window.__kilter.selected === given[0]", int(count))


def drag(page: Any, plot: str, x: tuple[float, float], y: tuple[float, float], key: str = "") -> None:
    """Drag over shares of a plot's box, with a key held down."""
    box = page.locator(f"[data-plot='{plot}']").bounding_box()
    start, end = [(box["x"] + box["width"] * u, box["y"] + box["height"] * v) for u, v in zip(x, y, strict=True)]
    if key:
        page.keyboard.down(key)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=3)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def test_a_query_selects_in_every_plot_and_stays_in_the_address(
    browse: Any, dashboard: Served, known: dict[str, np.ndarray]
) -> None:
    page = explored(browse, dashboard.address("two-hundred", "explore"))
    bar = page.get_by_role("combobox", name="Which trials")
    bar.fill('accuracy > .9 and lr < 1e-2 and activation = "gelu"')
    value, lr = known["value:accuracy"], known["param:lr"]
    meant = (value > np.float32(0.9)) & (lr < np.float32(1e-2)) & (known["param:activation"] == 1)
    assert 0 < meant.sum() < len(meant)
    selects(page, meant.sum())
    for plot in ("course", "param:lr", "parallel"):
        until(page, "window.__kilter.drawn[given[0]] === given[1]", plot, int(meant.sum()))
    page.get_by_role("heading", name="Trials", exact=True).scroll_into_view_if_needed()
    assert page.get_by_role("table", name="Trials").get_attribute("aria-rowcount") == str(meant.sum() + 1)
    page.reload()
    selects(page, meant.sum())
    assert bar.input_value().startswith("accuracy > .9")
    page.get_by_role("button", name="clear").click()
    selects(page, len(meant))
    assert "q=" not in page.url


def test_brushes_select_in_every_plot(browse: Any, dashboard: Served) -> None:
    page = explored(browse, dashboard.address("two-hundred", "explore"))
    trials = state(page, "trials")
    drag(page, "course", (0.5, 0.97), (0.15, 0.5))
    until(page, "location.hash.includes('b=')")
    one = state(page, "selected")
    assert 0 < one < trials
    drag(page, "parallel", (SIDE, SIDE), (0.3, 0.6))
    until(page, "window.__kilter.selected < given[0]", one)
    both, address = state(page, "selected"), page.url
    drag(page, "course", (0.1, 0.4), (0.15, 0.5), key="Shift")
    until(page, "window.__kilter.selected > given[0]", both)
    page.goto(address)
    selects(page, both)
    page.keyboard.press("Escape")
    selects(page, trials)


def test_the_bar_completes_and_says_what_is_wrong(browse: Any, dashboard: Served) -> None:
    page = explored(browse, dashboard.address("two-hundred", "explore"))
    page.keyboard.press("/")
    page.keyboard.type("activ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("= ge")
    page.get_by_role("option", name="gelu").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    until(page, "window.__kilter.selected < window.__kilter.trials")
    page.keyboard.type("and lrr < 1")
    page.get_by_text('There is no "lrr" in this study. Did you mean lr?').wait_for()
    selects(page, state(page, "trials"))  # a wrong query restricts nothing


def test_escape_closes_the_help_and_only_that(browse: Any, dashboard: Served) -> None:
    page = explored(browse, dashboard.address("two-hundred", "explore", "q=number+%3C+20"))
    selects(page, 20)
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys and queries").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Keys and queries").wait_for(state="detached")
    selects(page, 20)
    page.keyboard.press("Escape")
    selects(page, state(page, "trials"))


def test_a_study_is_found_by_name_from_the_page_of_another(browse: Any, dashboard: Served) -> None:
    dashboard.id("folds")
    page = explored(browse, dashboard.address("two-hundred", "explore"))
    find(page, "fold")
    page.get_by_role("option", name="folds").wait_for()
    page.keyboard.type("unheard of")
    page.get_by_text('Nothing is called "foldunheard of".').wait_for()


def test_the_keyboard_finds_the_best_trial(browse: Any, dashboard: Served, known: dict[str, np.ndarray]) -> None:
    best = np.where(known["state"] == TrialState.COMPLETE, known["value:accuracy"], -np.inf).argmax()
    page = explored(browse, dashboard.address("two-hundred", "explore"))
    page.keyboard.press("b")
    until(page, "location.hash.includes(`at=${given[0]}`)", int(best))
    page.keyboard.press("j")
    until(page, "!location.hash.includes(`at=${given[0]}`)", int(best))
    page.keyboard.press("l")
    until(page, "location.hash.includes('log=1')")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys and queries").wait_for()
    page.keyboard.press("Escape")
    find(page, "trial")
    page.keyboard.press("Enter")
    until(page, "location.hash.includes('/trials')")


def test_zoom_and_selection_outlive_news(browse: Any, dashboard: Served) -> None:
    name = dashboard.fresh("two-hundred")
    study = dashboard.id(name)
    page = explored(browse, dashboard.address(name, "explore", "q=accuracy+>+.8"))
    chosen = state(page, "selected")
    box = page.locator("[data-plot='course']").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.get_by_role("button", name="zoomed").first.wait_for()
    log = replay.followed(study, dashboard.storage, lambda first: replay.fresh(first, None, None))
    running = next(iter(log.replica.history.running))
    ended = Ended(running, log.replica.history[running].attempt, TrialState.COMPLETE, {"accuracy": 0.99}, 2e9)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    committed = time.monotonic()
    log.write(ended)
    selects(page, chosen + 1)
    print(f"on the page {time.monotonic() - committed:.2f} s after the commit")
    assert EVERY <= 0.3  # seconds between two looks of the server, which then tells the page,
    columns = [url.rsplit("/", 1)[1] for url in asked if "/columns" in url]
    assert len(columns) == 1 and columns[0].startswith("columns?after=")  # which asks once, for what is new
    assert page.get_by_role("button", name="zoomed").first.is_visible()
    assert "q=accuracy" in page.url


def test_a_page_that_nobody_sees_listens_to_nothing_and_catches_up(browse: Any, dashboard: Served) -> None:
    name = dashboard.fresh("two-hundred")
    study = dashboard.id(name)
    page = explored(browse, dashboard.address(name, "explore"))
    see = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    see += " document.dispatchEvent(new Event('visibilitychange')) }"
    revision = state(page, "revision")
    page.evaluate(see, True)
    log = replay.followed(study, dashboard.storage, lambda first: replay.fresh(first, None, None))
    log.write(Noted(None, {"seen": False}, 2e9))
    page.wait_for_timeout(1_000)  # in which it would hear of it
    assert state(page, "revision") == revision
    page.evaluate(see, False)
    until(page, "window.__kilter.revision > given[0]", revision)


def test_a_report_is_explored_as_its_study_is(
    browse: Any, dashboard: Served, known: dict[str, np.ndarray], tmp_path: Path
) -> None:
    file, study = tmp_path / "report.html", dashboard.id("two-hundred")
    file.write_text(report(dashboard.storage, study, 2e9), encoding="utf-8")
    page = explored(browse, f"{file.as_uri()}#/{study}/explore")
    page.get_by_role("combobox", name="Which trials").fill("accuracy > .9")
    selects(page, (known["value:accuracy"] > np.float32(0.9)).sum())
    assert page.locator("header.top").get_by_text("report", exact=True).is_visible()


def test_marked_trials_are_set_side_by_side(browse: Any, dashboard: Served, known: dict[str, np.ndarray]) -> None:
    page = explored(browse, dashboard.address("two-hundred", "explore", "m=3"))
    page.keyboard.press("b")
    page.keyboard.press("x")
    until(page, "/m=3(,|%2C)\\d+/.test(location.hash)")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Marked trials")
    dialog.wait_for()
    best = np.where(known["state"] == TrialState.COMPLETE, known["value:accuracy"], -np.inf).argmax()
    assert dialog.get_by_role("row").first.inner_text().split() == ["trial", "3", str(best)]


def test_plots_are_saved_as_a_picture(browse: Any, dashboard: Served) -> None:
    page = explored(browse, dashboard.address("two-hundred", "explore"))
    with page.expect_download() as saved:
        page.get_by_role("button", name="png").first.click()
    assert saved.value.suggested_filename == "accuracy-by-trial.png"
    assert Path(saved.value.path()).read_bytes()[1:4] == b"PNG"
