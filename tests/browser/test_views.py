"""Curves, trade-offs, timeline, lineage, comparison and model, as people see and use them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from tests.browser.conftest import Served, settled, until
from tests.browser.studies import HOSTILE

from kilter.core.events import Event, Report, Reported, Started
from kilter.plugins import open_storage


def drawn(page: Any, plot: str, claim: str = ">= 0") -> int:
    """How many marks a plot drew last, once it is in view and they are as many as is claimed."""
    page.locator(f'[data-plot="{plot}"]').scroll_into_view_if_needed()
    until(page, f"window.__kilter.drawn[given[0]] {claim}", plot)
    return int(page.evaluate("([plot]) => window.__kilter.drawn[plot]", [plot]))


def test_each_plot_is_a_table_as_well(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("two-hundred", "curves"))
    settled(page)
    curves = page.get_by_role("region", name="Learning curves")
    curves.get_by_role("button", name="table").click()
    assert curves.locator("thead th").all_inner_texts()[:2] == ["step", "trials"]
    assert curves.locator("tbody tr").count() == 12
    curves.get_by_role("button", name="plot").click()
    assert curves.locator("canvas[role=img]").count() == 1


def test_curves_are_of_the_best_the_running_and_the_selected(browse: Any, dashboard: Served) -> None:
    from playwright.sync_api import expect

    page = browse(dashboard.address("two-hundred", "curves"))
    settled(page)
    legend = page.get_by_role("region", name="Learning curves").locator(".names")
    assert legend.get_by_text("running: trial").count() == 3
    page.goto(dashboard.address("two-hundred", "curves", "q=number+%3C+2"))
    legend.get_by_text("selected: trial 1").wait_for()
    page.get_by_role("button", name="top 0").click()
    expect(legend.get_by_text("best: trial")).to_have_count(0)
    assert "top=0" in page.url


def test_rungs_say_who_went_on(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("fidelities", "curves"))
    settled(page)
    ladder = page.locator(".ladder")
    assert ladder.locator("li").count() == 5
    assert "stopped" in ladder.inner_text()
    assert "epochs 81" in ladder.inner_text()


def test_trade_offs_are_in_pairs_with_a_knee_and_what_is_feasible(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("three-objectives", "tradeoffs"))
    settled(page)
    assert page.locator('[data-plot^="front "]').count() == 3
    assert drawn(page, "front 0 1") > 300
    assert page.get_by_text("is where the front bends").count() == 1
    page.goto(dashboard.address("constraints", "tradeoffs"))
    page.get_by_text("misses one").wait_for()
    assert drawn(page, "constraint latency_ms") > 200
    page.goto(dashboard.address("one", "tradeoffs"))
    page.get_by_text("one objective, so nothing is traded").wait_for()


def test_a_timeline_has_all_trials_and_can_be_looked_at_closer(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("five-thousand", "timeline"))
    settled(page)
    assert drawn(page, "timeline") == 5004
    box = page.locator('[data-plot="timeline"]').bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 310, box["y"] + 50, steps=3)
    page.mouse.up()
    page.get_by_role("button", name="zoomed").wait_for()
    assert drawn(page, "timeline", "< 200") > 10  # now they are drawn one by one
    assert page.get_by_text("CUDA out of memory").count() == 1


def test_a_family_has_the_way_to_its_best(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("population", "lineage"))
    settled(page)
    assert drawn(page, "family") > 90
    assert page.locator('[data-plot^="schedule "]').count() == 6
    assert page.get_by_role("region", name="Schedule of the best trial").locator("tbody tr").count() >= 1
    page.goto(dashboard.address("three", "lineage"))
    page.get_by_text("No trial descends from another one").wait_for()


def test_studies_are_chosen_and_compared(browse: Any, few: Served) -> None:
    names = ("two-hundred", "folds", HOSTILE)
    ids = [few.id(name) for name in names]
    page = browse(f"{few.url}#/compare")
    page.get_by_text("Choose two studies or more").wait_for()
    for name in names[:2]:
        page.get_by_role("button", name=f"Add {name}").click()
    page.get_by_role("region", name="Best so far").locator("canvas").first.wait_for()
    settled(page)
    assert f"studies={ids[0]}%2C{ids[1]}" in page.url
    assert drawn(page, "best so far") == 2
    assert drawn(page, "ecdf") == 2
    page.goto(f"{few.url}#/compare?studies={ids[0]},{ids[2]}")
    page.get_by_text("after different things").wait_for()


def test_the_model_says_what_it_believes_and_would_do(browse: Any, dashboard: Served) -> None:
    from playwright.sync_api import expect

    page = browse(dashboard.address("two-hundred", "model"))
    settled(page)
    assert page.locator('[data-plot^="effect "]').count() == 6
    assert drawn(page, "interaction") > 20
    assert page.get_by_text("Start a new trial").count() == 1
    assert page.get_by_text("The surrogate predicts").count() == 1
    page.get_by_role("combobox", name="x", exact=True).select_option("dropout")
    expect(page.locator("[data-plot=interaction] canvas").first).to_have_attribute("aria-label", re.compile("dropout"))
    assert "a=dropout" in page.url
    page.goto(dashboard.address("all-failed", "model"))
    page.get_by_text("No model yet").first.wait_for()


def test_what_is_looked_at_closer_stays_while_trials_come(browse: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with Served(open_storage(f"sqlite:///{tmp_path / 'live.db'}")) as served:
        number = served.id("three")
        page = browse(served.address("three", "curves"))
        settled(page)
        plot = page.locator('[data-plot="curves"]')
        box = plot.bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 600, box["y"] + 200, steps=3)
        page.mouse.up()
        page.get_by_role("button", name="zoomed").wait_for()
        log = served.storage.read(number)
        served.storage.append(number, _another(4), log[-1].position)
        expect(page.locator(".names").get_by_text("running: trial 4")).to_have_count(1)
        assert page.get_by_role("button", name="zoomed").count() == 1
        page.close()


def _another(number: int) -> list[Event]:
    """One more trial begins and reports."""
    now = time.time()
    params = {"lr": 0.1, "width": 64, "dropout": 0.1, "activation": "relu", "norm": True, "batch": 32}
    reports = (Report(1, {"accuracy": 0.5}), Report(2, {"accuracy": 0.6}))
    return [Started(number, 1, params, "w", 1, now, True, None, None), Reported(number, 1, reports, now)]


def test_curves_can_be_over_the_seconds_of_their_trials(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("two-hundred", "curves", "x=time"))
    settled(page)
    assert page.get_by_text("as if all steps of a trial took equally long").count() == 1
    assert drawn(page, "curves") == 5
    page.get_by_role("button", name="steps", exact=True).click()
    assert drawn(page, "curves", "> 8") == 12  # the median, the running ones and their forecasts, too
    assert "x=" not in page.url


def test_what_is_printed_was_drawn(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("two-hundred", "model"))
    settled(page)
    page.locator("[data-plot=interaction]").wait_for(state="attached")
    page.evaluate("window.__kilter.drawn.interaction = 0")  # it is further down, though it may not have been at first
    # Said again until it is heard: a plot that has just come listens a moment later.
    until(page, "(dispatchEvent(new Event('beforeprint')), window.__kilter.drawn.interaction > 20)")


def test_earlier_studies_say_what_each_is_worth_and_what_is_owed_to_it(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address(HOSTILE, ""))
    settled(page)
    panel = page.get_by_role("region", name="Earlier studies")
    assert panel.locator("tbody tr").count() == 3
    assert panel.locator("tbody th").all_inner_texts()[0] == "cancer"
    assert "passed over: it has none of the parameters" in panel.locator("tbody tr").last.inner_text()
    assert "<img src=x" in panel.locator("tbody th").nth(1).inner_text()
    page.goto(dashboard.address("one", ""))
    settled(page)
    assert page.get_by_role("region", name="Earlier studies").count() == 0
