"""A page: nothing that it holds gets out of its place, in HTML or in Markdown."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kilter.automl import pictures
from kilter.automl.explain import Importance, Importances
from kilter.automl.page import Page, Picture, Points, Section, Table, Text

HOSTILE = '<script>alert("1")</script> | `x` \x1b[2J\n# title *bold* </style>'


class Read(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def page(words):
    table = Table((words, "number"), ((words, 1.5), (None, float("nan"))))
    blocks = (Text(words, is_lead=True), Points((words,), is_warning=True), table)
    return Page(words, (Section(words, blocks),), words)


@given(st.text(max_size=60) | st.just(HOSTILE))
@example("|")
@example("[a](b)")
@settings(max_examples=100, deadline=None)
def test_words_change_nothing_about_the_page(words):
    read, plain = Read(page(words).html()), Read(page("words").html())
    assert read.tags == plain.tags
    markdown = page(words).markdown()
    assert "<" not in markdown and "\x1b" not in markdown
    assert not re.search(r"(?<!\\)(?:\\\\)*\[", markdown)
    assert sum(line.startswith("|") for line in markdown.splitlines()) == 4
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {3}


def test_numbers_stand_to_the_right_and_rows_beyond_are_counted():
    table = Table(("name", "score"), tuple((f"m{i}", 1 / (i + 1)) for i in range(5)), most=3)
    made = Page("t", (Section("s", (table,)),))
    assert '<td class="number">0.3333</td>' in made.html() and "… and 2 more" in made.html()
    assert "|---|---:|" in made.markdown() and "m3" not in made.html() and "… and 2 more" in made.markdown()


FOUND = Importances("auc", 0.8, 90, (Importance(HOSTILE, 0.2, 0.1, 0.3), Importance("b", -0.01, -0.1, 0.08)))
CHANCE = np.random.default_rng(0)
SAID = CHANCE.uniform(size=400)
FIGURES = {
    "calibration": pictures.calibration(SAID, CHANCE.uniform(size=400) < SAID, HOSTILE),
    "against": pictures.against(SAID, SAID + 0.1, HOSTILE),
    "importance": pictures.importance(FOUND),
    "by fold": pictures.by_fold([0.7, float("nan"), 0.8], (0.6, 0.9), 0.75, "auc"),
    "one row": pictures.calibration(np.array([0.5]), np.array([True]), "x"),
    "constant": pictures.against(np.ones(3), np.ones(3), "x"),
    "no column": pictures.importance(Importances("auc", 0.8, 90, ())),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_and_said_in_words(name):
    made = Page("t", (Section("s", (Picture(FIGURES[name]),)),))
    drawn = made.html()
    assert "<svg" in drawn and "script" not in Read(drawn).tags and "nan" not in re.findall(r'[ML"]nan|inf', drawn)
    assert f"*{FIGURES[name].summary[:10]}" in made.markdown()


def test_calibration_tells_probabilities_that_hold_from_those_that_do_not():
    held, sure = FIGURES["calibration"], pictures.calibration(SAID**4, CHANCE.uniform(size=400) < SAID, "x")
    off = [float(re.search(r"off by ([\d.]+)", figure.summary)[1]) for figure in (held, sure)]
    assert off[0] < 0.06 < 0.2 < off[1]
