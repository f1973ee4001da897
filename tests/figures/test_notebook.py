"""What notebooks show is HTML of which no study, however it is named, makes anything else."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.figures import made

import kilter
from kilter.core import html
from kilter.core.history import History
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.figures.notebook import front_html, study_html, trial_html

ALLOWED = {"div", "b", "table", "tr", "th", "td", "svg", "title", "g", "path", "text", "rect"}
ROOM = 30_000
"""Characters that a notebook has to keep for each."""


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
        assert len(document) <= ROOM

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert not [name for name, value in attrs if name.startswith("on") or "script" in (value or "")]
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


def test_a_study_shows_its_best_and_its_failures() -> None:
    def objective(x: float, opt: str) -> dict[str, float]:
        if opt == "<b>bad":
            raise ValueError("no <i>good</i>\nsecond line")
        return {"loss": x, "size": 7.0}

    space = {"x": kilter.Float(0, 1), "opt": kilter.Choice(["<b>bad", "sgd"])}
    study = kilter.tune(objective, space, minimize="loss", n_trials=20, storage=None, progress="none", study_name="<s>")
    shown = of(study)
    assert "<s>: minimize loss; 20 trials: " in shown.text
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


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("trials", [0, 1, 3, 3_000])
def test_hostile_studies_of_any_size_stay_within_their_room(trials: int, objectives: int) -> None:
    history = made.history(trials, objectives, constrained=trials == 3_000)
    shown = Checked(study_html(made.HOSTILE[0], history))
    assert made.HOSTILE[0] in shown.text and "\x1b" not in shown.text
    assert ("svg" in shown.tags) is (trials > 1)
    Checked(front_html(history, [trial.number for trial in history.front()]))
    for trial in history.trials[:20]:
        Checked(trial_html(history, trial))


def test_wide_spaces_and_long_options_stay_within_their_room() -> None:
    space = made.wide(300)
    assert "more" in of(space).text
    Checked(study_html("wide", made.history(30, space=space)))
    declared: dict[str, Parameter] = {"<b>" * 400: kilter.Choice([f"{i}&<" * 90 for i in range(400)])}
    long = kilter.Space(declared)
    of(long)
    Checked(study_html("long", made.history(30, space=long)))


def test_what_is_not_to_be_drawn_is_a_line_of_text() -> None:
    assert of(kilter.Space()).tags <= ALLOWED
    assert Checked(study_html("s", History(Problem()))).text == "s: minimize value; 0 trials"


def test_the_front_is_a_list_that_shows_itself() -> None:
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, directions={"a": "minimize", "b": "minimize"}, seed=0)
    study.optimize(lambda x: (x, -x), n_trials=5, progress="none")
    best = study.best_trials
    assert isinstance(best, list) and best == list(best) and len(best) == 5
    assert "5 of 5 trials" in of(best).text and "svg" in of(best).tags
    assert repr(best).startswith("[FrozenTrial(")
