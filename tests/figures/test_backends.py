"""Every figure of every sort of study is drawn by every backend, and no name in it is anything but text."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.figures import made

import kilter
from kilter.core.errors import MissingLibrary, UnknownName
from kilter.core.history import History
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space
from kilter.figures import svg
from kilter.figures.curves import curves
from kilter.figures.edf import edf
from kilter.figures.figure import Figure
from kilter.figures.history import histories, history
from kilter.figures.hypervolume import hypervolume
from kilter.figures.importance import importances, weights
from kilter.figures.lineage import lineage
from kilter.figures.overtuning import course
from kilter.figures.pairs import contour, ranks
from kilter.figures.parallel import parallel
from kilter.figures.pareto import pareto
from kilter.figures.rungs import rungs
from kilter.figures.slice import slices
from kilter.figures.timeline import timeline
from kilter.figures.trials import objective

FIGURES: dict[str, Callable[[History], Figure]] = {
    "history": history,
    "histories": lambda study: histories([(made.HOSTILE[0], study, objective(study)), ("_b", study, objective(study))]),
    "mean": lambda study: histories([("a", study, objective(study))] * 2, error_bar=True),
    "slice": slices,
    "parallel": parallel,
    "contour": contour,
    "ranks": ranks,
    "importance": lambda study: importances(weights(study, [objective(study)]), len(study)),
    "edf": lambda study: edf([("<b>", study, objective(study))]),
    "curves": curves,
    "rungs": rungs,
    "pareto": pareto,
    "hypervolume": hypervolume,
    "timeline": lambda study: timeline(study, 1.7e9 + 10 * len(study) + 60),
    "lineage": lineage,
    "overtuning": lambda study: course(study, None),
}
STUDIES = {
    "none": lambda: History(Problem(made.SPACE)),
    "no space": lambda: made.history(5, space=Space()),
    "one": lambda: made.history(1),
    "three": lambda: made.history(3),
    "many": lambda: made.history(300),
    "population": lambda: made.population(8, 5),
    "constrained": lambda: made.history(100, constrained=True),
    "two": lambda: made.history(60, 2),
    "three objectives": lambda: made.history(60, 3),
    "thirty parameters": lambda: made.history(40, space=made.wide(30)),
}


@cache
def study_of(kind: str) -> History:
    return STUDIES[kind]()


@cache
def described(name: str, kind: str) -> Figure:
    return FIGURES[name](study_of(kind))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", STUDIES)
def test_plotly_draws_it_and_escapes_what_it_quotes(name: str, kind: str) -> None:
    plotly = pytest.importorskip("plotly.graph_objects")
    from kilter.figures.plotly import draw

    drawn = draw(described(name, kind), "dark")
    assert isinstance(drawn, plotly.Figure)
    for trace in drawn.data:
        if trace.type != "parcoords":  # its ticks are plain text
            told = str(trace.to_plotly_json())
            assert "<script" not in told and "%{y}" not in told.replace("%{y}<", "").replace("%{y}'", "")
            assert "\x1b" not in told
    layout = str(drawn.layout.to_plotly_json())
    assert "<script" not in layout and "$x$" not in layout and "\x1b" not in layout


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", ["constrained"])  # it takes its time
def test_matplotlib_draws_it(name: str, kind: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from kilter.figures.matplotlib import axes, draw

    figure = described(name, kind)
    drawn = draw(figure)
    drawn.draw_without_rendering()
    assert len(list(axes(drawn))) == len(figure.panels)
    plt.close(drawn)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", STUDIES)
def test_svg_is_well_formed_and_small(name: str, kind: str) -> None:
    figure = described(name, kind)
    drawn = svg.draw(figure)
    root = ElementTree.fromstring(drawn)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "title", "g", "path", "text", "rect"}
    assert "<script" not in drawn and "\x1b" not in drawn
    assert len(drawn) <= 30_000 * max(1, len(figure.panels))


def test_a_figure_says_what_it_leaves_out() -> None:
    study = made.history(300)
    (panel,) = history(study).panels
    values = objective(study).values
    assert "outliers at the edge" in panel.note
    assert panel.y.high < 100 < values[values < float("inf")].max()
    assert Objective("loss") == study.problem.objectives[0]


@pytest.mark.parametrize("library", ["plotly", "matplotlib"])
def test_a_library_that_is_not_there_is_named_with_what_installs_it(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    study = kilter.create_study(seed=0)
    with pytest.raises(MissingLibrary, match=f"pip install {library}"):
        study.plot(library).history()


@pytest.mark.parametrize("library", ["plotly", "matplotlib"])
def test_one_file_imports_a_library_and_none_before_it_draws(library: str) -> None:
    source = Path(kilter.__file__).parent
    named = re.compile(rf"^\s*(import|from) {library}\b", re.MULTILINE)
    files = [path for path in source.rglob("*.py") if named.search(path.read_text(encoding="utf-8"))]
    assert files == [source / "figures" / f"{library}.py"]
    code = f"import kilter.figures.{library}, kilter.visualization.matplotlib, sys; print({library!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_backend_theme_or_objective_is_named() -> None:
    study = kilter.create_study(seed=0)
    for wrong, told in (
        (lambda: study.plot("plotli"), "'plotly'"),
        (lambda: study.plot(theme="drak"), "'dark'"),
        (lambda: study.plot.history("loss"), "no objective 'loss'"),
        (lambda: study.plot.slice(objective=2), "no objective 2"),
    ):
        with pytest.raises(UnknownName, match=told):
            wrong()
