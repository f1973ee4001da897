"""The blocks of README and of the how-to pages run, from top to bottom of a page, in a folder of their own.

First those in Python, as one script, then those marked `sh`, but for what they install. An `sh` block says what a page
needs installed: it has to name all that the page imports.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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
FILES = {"README": {"train.py": "def loss(lr):\n    return abs(lr - 0.01)\n"}}
"""The reader's own files."""
LIBRARY = {"configspace": "ConfigSpace", "hydra_plugins": "hydra"}
MODULE = {"hydra-core": "hydra", "mlflow-skinny": "mlflow", "scikit-learn": "sklearn"}
IMPORTED = re.compile(r"^\s*(?:import|from) (?:kilter\.integrations\.)?(\w+)", re.MULTILINE)
INSTALLED = re.compile(r"^pip install ([^#\n]*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")


def blocks(page: Path, language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return "\n".join(found)


def libraries(page: Path) -> set[str]:
    """What the page imports that does not come with Python; integrations go by the names of their libraries."""
    names = IMPORTED.findall(blocks(page, "python"))
    return {LIBRARY.get(name, name) for name in names} - {"kilter"} - sys.stdlib_module_names


def brought(requirement: str) -> set[str]:
    """The modules that come with what pip is told to install, our extras taken apart."""
    name, extras = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?.*", requirement).groups()
    if name not in ("kilter", "."):
        return {MODULE.get(name, name)}
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in (extras or "").split(",") if e)]
    return {module for needed in lists for one in needed for module in brought(one)}


@pytest.mark.story
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_run(page: Path, tmp_path: Path) -> None:
    if absent := sorted(name for name in libraries(page) if importlib.util.find_spec(name) is None):
        pytest.skip(f"{', '.join(absent)} is not installed: pip install '.[all]'")
    script, shell = BEFORE.get(page.stem, "") + blocks(page, "python"), INSTALLED.sub("", blocks(page, "sh"))
    for name, text in {"snippets.py": script, "snippets.sh": shell, **FILES.get(page.stem, {})}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "PATH": path}
    for command in ([sys.executable, "snippets.py"], ["sh", "-e", "snippets.sh"]):
        run = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_how_to_install_what_it_imports(page: Path) -> None:
    requirements = " ".join(INSTALLED.findall(blocks(page, "sh"))).replace("'", "").split()
    assert requirements
    assert libraries(page) <= set().union(brought("kilter"), *map(brought, requirements))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_have_snippets() -> None:
    assert [page.stem for page in PAGES if not blocks(page, "python")] == ["hydra"]  # all command line: test_hydra.py


def test_each_how_to_is_in_the_readme() -> None:
    links = LINK.findall(PAGES[0].read_text(encoding="utf-8"))
    assert {page.relative_to(ROOT).as_posix() for page in PAGES[1:]} <= set(links)
