"""What can be done from the pages, and that nothing can where one may only look."""

from __future__ import annotations

from typing import Any

import pytest
from tests.browser.conftest import WAITS, Served, offences, settled

from kilter.plugins import open_storage


class Open:
    """A study that is open in a browser; `said()` is what the server says of it."""

    def __init__(self, page: Any, dashboard: Served, name: str) -> None:
        self.page = page
        self._address = f"{dashboard.url}api/v1/studies/{dashboard.id(name)}"

    def said(self, path: str = "") -> Any:
        return self.page.request.get(self._address + path).json()

    def press(self, name: str, **more: Any) -> None:
        self.page.get_by_role("button", name=name, **more).first.click()

    def told(self, words: str) -> None:
        self.page.get_by_role("status").get_by_text(words).first.wait_for()


@pytest.fixture
def opened(browse: Any, dashboard: Served) -> Any:
    name = dashboard.fresh("two-hundred")
    return lambda path="": Open(settled(browse(dashboard.address(name, path))), dashboard, name)


def test_a_study_is_paused_and_goes_on_again(opened: Any) -> None:
    study = opened()
    study.press("Pause")
    study.told("no trial begins")
    assert study.said()["control"] == "paused"
    study.page.locator("main").get_by_text("paused").wait_for()
    study.press("Undo")
    study.told("Taken back.")
    assert study.said()["control"] == "running"


def test_a_study_is_stopped_once_that_is_meant(opened: Any) -> None:
    study = opened()
    study.press("Stop…")
    study.press("Cancel")
    assert study.said()["control"] == "running"
    study.press("Stop…")
    study.press("Stop it")
    study.told("Stopped")
    assert study.said()["control"] == "stopped"
    study.press("Go on")
    study.told("goes on")
    assert study.said()["control"] == "running"


def test_more_budget(opened: Any) -> None:
    study = opened()
    study.press("Add budget…")
    study.page.get_by_label("Trials", exact=True).fill("25")
    study.press("Add", exact=True)
    study.told("25 trials")


def test_notes_and_tags(opened: Any) -> None:
    study = opened()
    study.page.get_by_label("Note on the study").fill("<b>try</b> a wider range")
    study.press("Save")
    study.told("The note is kept.")
    assert study.said()["note"] == "<b>try</b> a wider range"
    study.press("add tag")
    study.page.get_by_label("New tag").fill("baseline")
    study.page.keyboard.press("Enter")
    study.told("Tagged baseline.")
    assert study.said()["tags"] == ["baseline"]
    study.page.locator("main").get_by_text("baseline").get_by_role("button").click()
    study.told("is gone")
    assert study.said()["tags"] == []


def test_a_variant_is_enqueued_when_its_values_are_legal(opened: Any) -> None:
    study = opened("trials?trial=17")
    study.press("Enqueue a variant…")
    study.page.get_by_role("textbox", name="lr").fill("9e9")
    study.press("Enqueue", exact=True)
    study.page.get_by_text("Out of range").wait_for()
    assert offences(study.page) == []
    study.page.get_by_role("textbox", name="lr").fill("0.02")
    study.press("Enqueue", exact=True)
    study.told("is tried next")
    last = study.said()["summary"]["trials"] - 1
    trial = study.said(f"/trials/{last}")
    assert trial["state"] == "WAITING"
    assert trial["params"]["lr"] == 0.02


def test_a_failed_trial_is_tried_again_and_a_result_counts_no_more(opened: Any) -> None:
    study = opened("trials?trial=17")
    before = study.said()["summary"]["trials"]
    study.press("Retry", exact=True)
    study.told("is tried again")
    assert study.said()["summary"]["trials"] == before + 1
    retry = study.page.get_by_role("button", name="Retry", exact=True)
    retry.wait_for(state="detached", timeout=WAITS)  # once is enough
    assert study.page.get_by_role("button", name="Invalidate…").count() == 0  # a failure has no result to count
    best = study.said()["summary"]["best"]
    study.page.goto(study.page.url.replace("trial=17", f"trial={best}"))
    study.press("Invalidate…")
    study.page.get_by_label("Reason").fill("the data leaked")
    study.press("Invalidate", exact=True)
    study.told("counts no more")
    assert study.said()["summary"]["best"] != best
    study.page.get_by_text("counts no more: the data leaked").wait_for(timeout=WAITS)
    study.page.goto(study.page.url.split("?")[0] + "?q=state+%3D+failed")
    said = study.said()
    assert len(said["forgiven"]) >= 2  # they are not offered to be tried again
    count = said["summary"]["states"]["FAIL"] - len(said["forgiven"])
    study.page.get_by_role("button", name=f"Retry {count} failed…").wait_for(timeout=WAITS)


def test_a_refusal_is_told_in_the_servers_words(opened: Any, browse: Any) -> None:
    study = opened("trials?trial=0")
    study.press("Invalidate…")
    study.page.get_by_label("Reason").fill(" ")
    study.press("Invalidate", exact=True)
    study.told("say in a few words why")
    assert all("400" in wrong for wrong in browse.wrong)
    browse.wrong.clear()


def test_who_may_only_look_is_offered_nothing(browse: Any, tmp_path: Any) -> None:
    with Served(open_storage(f"sqlite:///{tmp_path}/studies.db"), read_only=True) as dashboard:
        for path in ("", "trials?trial=0"):
            page = settled(browse(dashboard.address("three", path)))
            page.get_by_text("read-only").wait_for()
            labels = page.locator("main, [role=dialog]").get_by_role("button").all_inner_texts()
            forbidden = {"Pause", "Stop…", "Add budget…", "add tag", "Retry", "Enqueue a variant…", "Invalidate…"}
            assert not forbidden.intersection(labels)
            assert page.get_by_role("textbox", name="Note").count() == 0
        browse.close()  # before its server goes
