"""What notebooks show is HTML of which no study, however it is named, makes anything else."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.core import html

ALLOWED = {"div", "b", "table", "tr", "th", "td", "svg", "polyline"}


class Checked(HTMLParser):
    """Notes tags and text, and that each tag is closed in its turn."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.opened: list[str] = []
        self.feed(document)
        self.close()
        assert not self.opened
        assert self.tags <= ALLOWED

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def of(shown: Any) -> Checked:
    return Checked(shown._repr_html_())


@given(st.lists(st.lists(st.one_of(st.text(), st.none(), st.floats(), st.booleans()), max_size=3), max_size=3))
def test_a_table_is_a_table_whatever_is_in_it(rows: list[list[Any]]) -> None:
    assert Checked(html.table(["<script>", "b"], rows)).tags <= {"table", "tr", "th", "td"}


@given(st.lists(st.floats()))
def test_a_curve_stays_in_its_picture(values: list[float]) -> None:
    points = html.curve(values).partition('points="')[2].partition('"')[0].split()
    for point in points:
        across, down = map(float, point.split(","))
        assert 0 <= across <= html.WIDTH and 0 <= down <= html.HEIGHT


def test_a_study_shows_its_best_and_its_failures() -> None:
    def objective(x: float, opt: str) -> dict[str, float]:
        if opt == "<b>bad":
            raise ValueError("no <i>good</i>\nsecond line")
        return {"loss": x, "size": 7.0}

    space = {"x": kilter.Float(0, 1), "opt": kilter.Choice(["<b>bad", "sgd"])}
    study = kilter.tune(objective, space, minimize="loss", n_trials=20, storage=None, progress="none", study_name="<s>")
    shown = of(study)
    assert "<s>: minimize loss; 20 trials" in shown.text
    assert "ValueError: no <i>good</i> second line" in shown.text or "ValueError: no <i>good</i>" in shown.text
    assert {"table", "svg"} <= shown.tags
    assert f"{study.best_value:.5g}" in shown.text and "size" in shown.text
    failed = next(trial for trial in study.trials if trial.failure)
    assert "no <i>good</i>" in of(failed).text and "<b>bad" in of(failed).text
    assert "loss" in of(study.best_trial).text
    assert "<b>bad" in of(study.space).text


def test_a_space_says_where_a_parameter_is_active() -> None:
    space = kilter.Space(
        {"model": kilter.Choice(["svm", "tree"]), "C": kilter.Float(1, 10, log=True).when(model="svm")}
    )
    assert "Float(1.0, 10.0, log=True)" in of(space).text
    assert "model in ['svm']" in of(space).text


@pytest.mark.parametrize("ended", [0, 3])
def test_several_objectives_show_their_front(ended: int) -> None:
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, directions={"a": "minimize", "b": "minimize"}, seed=0)
    if ended:
        study.optimize(lambda x: (x, -x), n_trials=ended, progress="none")
    assert "minimize a, minimize b" in of(study).text
    assert ("table" in of(study).tags) == bool(ended)
    assert "x" in of(study.ask()).text
