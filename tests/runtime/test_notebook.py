"""In a notebook a run shows one block that is redrawn in place; elsewhere nothing of notebooks is loaded."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import kilter


class Page(ModuleType):
    """Stands in for IPython, which need not be there: its shell, and what is displayed below the cell."""

    def __init__(self, kernel: Any) -> None:
        super().__init__("IPython")
        self.display = SimpleNamespace(display=self._display)
        self.get_ipython = lambda: SimpleNamespace(kernel=kernel)
        self.blocks: list[list[dict[str, str]]] = []

    def _display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw and display_id
        self.blocks.append([bundle])
        return SimpleNamespace(update=lambda other, raw: self.blocks[-1].append(other))


def objective(x: float) -> float:
    if x > 0.8:
        raise ValueError("no <script>")
    return x


def run(**settings: Any) -> None:
    space = {"x": kilter.Float(0, 1)}
    kilter.tune(objective, space, n_trials=30, seed=0, storage=None, study_name="<b>s", sampler="random", **settings)


def test_one_block_is_redrawn_and_says_it_in_words_too(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    page = Page(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", page)
    run()
    ((first, *_, last),) = page.blocks
    assert "running" in first["text/plain"]
    assert (
        "the study has its 30 trials" in last["text/plain"] and "failed: ValueError: no <script>" in last["text/plain"]
    )
    assert "<svg" in last["text/html"] and "no &lt;script&gt;" in last["text/html"]
    assert "<script" not in last["text/html"] and "<b>s" not in last["text/html"]
    assert len(last["text/html"]) < 30_000
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("kernel", "settings"), [(None, {}), (object(), {"progress": "plain"})])
def test_a_terminal_with_ipython_and_plain_lines_have_no_block(
    kernel: Any, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    page = Page(kernel)
    monkeypatch.setitem(sys.modules, "IPython", page)
    run(**settings)
    assert page.blocks == []
    assert "30 trials" in capfd.readouterr().err


def test_what_is_not_loaded_stays_so() -> None:
    code = "import kilter; kilter.tune(lambda x: x, {'x': kilter.Float(0, 1)}, n_trials=3, storage=None)"
    check = f"{code}; import sys; print([m for m in sys.modules if m == 'IPython' or m.startswith('kilter.figures')])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
