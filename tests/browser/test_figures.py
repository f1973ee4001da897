"""In a browser a name in a figure is text, whatever it says: on axes, in legends, and for whoever points at a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.figures import made

from kilter.figures.history import history
from kilter.figures.notebook import study_html
from kilter.figures.pareto import pareto
from kilter.figures.slice import slices

POINTED = """async (place) => {
    const figure = document.querySelectorAll(".plotly-graph-div")[place], read = [];
    for (let i = 0; i < figure.data.length; i++) {
        const trace = figure.data[i], text = () => figure.querySelector(".hoverlayer")?.textContent ?? "";
        if (trace.mode !== "markers") continue;
        Plotly.Fx.hover(figure, [{curveNumber: i, pointNumber: 0}], (trace.xaxis ?? "x") + (trace.yaxis ?? "y"));
        await new Promise((done) => setTimeout(done, 60));  // Plotly shows so many of them a second
        read.push(text());
    }
    return read;
}"""


def test_hostile_names_are_read_as_they_are_written(browse: Any, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    from kilter.figures.plotly import draw

    study = made.history(40, 2)
    figures = [
        draw(figure(study)).to_html(full_html=False, include_plotlyjs=False) for figure in (slices, pareto, history)
    ]
    from plotly.offline import get_plotlyjs

    head = f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script>{get_plotlyjs()}</script>'
    body = "".join([*figures, study_html(made.HOSTILE[0], study)])
    (tmp_path / "figures.html").write_text(f"{head}<main>{body}</main>", encoding="utf-8")
    page = browse(f"file://{tmp_path / 'figures.html'}")
    page.on("dialog", lambda dialog: browse.wrong.append(dialog.message))
    page.locator(".plotly .main-svg").first.wait_for()
    seen = page.locator("main").inner_text()
    assert made.HOSTILE[0] in seen and made.HOSTILE[2] in seen
    assert page.locator("main svg script, main img, main [onerror]").count() == 0
    pointed = [text for place in range(3) for text in page.evaluate(POINTED, place)]
    assert any(made.HOSTILE[2] in text for text in pointed)
    assert any("ValueError: <script>alert(1)</script>" in text for text in pointed)
