"""Studies, overview, trials and space, as people see and use them."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.studies import HOSTILE

from kilter.executors.command.files import nested

if TYPE_CHECKING:
    from tests.browser.conftest import Served


def documented(page: Any, dashboard: Served, name: str, path: str = "") -> Any:
    """What the server says of a study."""
    return page.request.get(f"{dashboard.url}api/v1/studies/{dashboard.id(name)}{path}").json()


class TestStudies:
    def test_are_found_compared_and_opened_by_keys(self, browse: Any, few: Served) -> None:
        page = browse(few.url)
        page.get_by_role("row").filter(has_text="two-hundred").wait_for()
        page.keyboard.press("/")
        page.keyboard.type("hre")
        page.get_by_role("row").filter(has_text="two-hundred").wait_for(state="detached")
        assert "filter=hre" in page.url
        page.get_by_role("searchbox").fill("")
        page.get_by_role("searchbox").press("Tab")
        page.get_by_role("button", name="study").click()
        for key in ("j", "x", "j", "x", "c"):
            page.keyboard.press(key)
        page.wait_for_url(re.compile(r"compare\?studies=\d+%2C\d+"))
        page.go_back()
        page.get_by_role("link", name="three", exact=True).click()
        page.get_by_text("best accuracy").wait_for()


def test_what_to_expect_is_what_the_analyses_say(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("folds"))
    told = documented(page, dashboard, "folds", "/generalisation")
    panel = page.get_by_role("region", name="What to expect")
    panel.get_by_text(told["winner"]["reason"]).wait_for()
    assert panel.get_by_role("link", name=f"#{told['winner']['number']}").count() >= 1
    assert panel.get_by_role("img", name=told["overtuning"]["text"]).count() == 1


@pytest.fixture
def copied(browse: Any, dashboard: Served) -> Callable[[str], str]:
    """A function of a form that copies the best configuration in it."""
    page = browse(dashboard.address("conditional"), permissions=["clipboard-read", "clipboard-write"])

    def read() -> str:
        return str(page.evaluate("navigator.clipboard.readText()"))

    def copy(form: str) -> str:
        page.locator(".copy-as select").select_option(form)
        page.evaluate("navigator.clipboard.writeText('')")
        page.locator(".copy-as button").click()
        for _ in range(500):
            if text := read():
                return text
            page.wait_for_timeout(10)
        raise AssertionError("nothing was copied")

    return copy


def test_the_best_configuration_is_copied(copied: Callable[[str], str], browse: Any, dashboard: Served) -> None:
    params = documented(browse(dashboard.url), dashboard, "conditional")["summary"]["params"]
    assert ast.literal_eval(copied("Python")) == params
    assert json.loads(copied("JSON")) == nested(params)
    words = shlex.split(copied("Command line"))
    assert ("--scale" in words) == params["scale"]
    assert float(words[words.index("--depth") + 1]) == params["depth"]
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(copied("YAML")) == nested(params)
    tomllib = pytest.importorskip("tomllib")
    assert tomllib.loads(copied("TOML")) == nested(params)


class TestTrials:
    def test_are_sorted_and_chosen_in_the_address(self, browse: Any, dashboard: Served) -> None:
        page = browse(dashboard.address("two-hundred", "trials"))
        best = documented(page, dashboard, "two-hundred")["summary"]["best"]
        first = page.locator(".table .rows .row a").first
        assert first.text_content() == str(best)  # of what the browser need not paint yet there is no inner text
        page.get_by_role("columnheader", name="dropout").get_by_role("button").click()
        assert "sort=" in page.url
        page.get_by_text("columns:").click()
        page.get_by_role("checkbox", name="width").uncheck()
        page.get_by_role("columnheader", name="width").wait_for(state="detached")
        page.reload()
        page.get_by_role("columnheader", name="dropout ↑").wait_for()
        assert page.get_by_role("columnheader", name="width").count() == 0

    def test_are_read_one_by_one_with_the_keyboard(self, browse: Any, dashboard: Served) -> None:
        page = browse(dashboard.address("two-hundred", "trials"))
        page.locator(".table .rows .row a").first.click()
        drawer = page.get_by_role("dialog")
        drawer.wait_for()
        title = drawer.get_by_role("heading").first
        before = title.inner_text()
        page.keyboard.press("j")
        page.wait_for_timeout(200)
        assert title.inner_text() != before
        page.keyboard.press("k")
        page.wait_for_timeout(200)
        assert title.inner_text() == before
        page.keyboard.press("Escape")
        drawer.wait_for(state="detached")

    def test_a_failed_one_says_why(self, browse: Any, dashboard: Served) -> None:
        page = browse(dashboard.address(HOSTILE, "trials?trial=3"))
        page.get_by_label("Traceback").wait_for()
        for summary in page.locator(".trial summary").all():
            summary.click()
        page.get_by_text("Nothing was printed").wait_for()
        page.get_by_text("does not explain its choices").wait_for()


def test_the_space_is_a_tree(browse: Any, dashboard: Served) -> None:
    page = browse(dashboard.address("conditional", "space"))
    gamma = page.locator(".branch .branch").filter(has_text="gamma")
    assert "where model is svm and kernel is rbf" in gamma.inner_text()
    assert page.get_by_role("img", name="gamma, ").count() == 1
