"""The Python blocks of README and of the how-to pages run, from top to bottom of a page, in a folder of their own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/how-to").glob("*.md"))]
BEFORE = {
    "README": """
def start(width):
    return width / 512

def run_epoch(weights, lr):
    return 0.9 * weights, 0.9 * weights + lr
""",
}
"""What a page takes for granted: the reader's own model."""
IMPORTED = re.compile(r"^\s*(?:import|from) (?:kilter\.integrations\.)?(\w+)", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def missing(script: str) -> list[str]:
    """Libraries that the script imports and that are not installed; integrations are named as their libraries are."""
    names = {{"hydra_plugins": "hydra", "configspace": "ConfigSpace"}.get(n, n) for n in IMPORTED.findall(script)}
    return sorted(name for name in names if importlib.util.find_spec(name) is None)


@pytest.mark.story
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_run(page: Path, tmp_path: Path) -> None:
    script = BEFORE.get(page.stem, "") + "\n".join(blocks(page))
    if absent := missing(script):
        pytest.skip(f"{', '.join(absent)} is not installed: pip install 'kilter[all]'")
    file = tmp_path / "snippets.py"
    file.write_text(script, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch"}
    run = subprocess.run(
        [sys.executable, file], check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_pages_have_snippets() -> None:
    assert [page.stem for page in PAGES if not blocks(page)] == ["hydra"]  # it is all command line: test_hydra.py
