"""What README and the pages of docs show runs: README and how-to pages from top to bottom, others block by block.

README's blocks are programs of their own, in one folder. Of other pages first the blocks in Python run, then those
marked `sh`, but for what they install. An `sh` block says what a how-to page
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
README = ROOT / "README.md"
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))
BY_BLOCK = [README, *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/reference").glob("*.md")]
PAGES = [*BY_BLOCK, *HOW_TO]
LIBRARY = {"configspace": "ConfigSpace", "hydra_plugins": "hydra"}
MODULE = {"hydra-core": "hydra", "mlflow-skinny": "mlflow", "scikit-learn": "sklearn"}
IMPORTED = re.compile(r"^\s*(?:import|from) (?:kilter\.integrations\.)?(\w+)", re.MULTILINE)
INSTALLED = re.compile(r"^pip install ([^#\n]*)", re.MULTILINE)
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")

RUNS = {"python": [sys.executable], "sh": ["sh", "-e"]}


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def scripts(page: Path) -> list[list[tuple[str, str]]]:
    """What runs, a list for each folder: programs in their order, as pairs of language and text."""
    programs = [(language, INSTALLED.sub("", text)) for language, text in BLOCK.findall(page.read_text("utf-8"))]
    if page == README:
        return [programs]
    if page in HOW_TO:
        return [[(each, "\n".join(text for language, text in programs if language == each)) for each in RUNS]]
    return [[program] for program in programs]


SCRIPTS = [(page, number) for page in PAGES for number in range(len(scripts(page)))]


def libraries(page: Path) -> set[str]:
    """What the page imports that does not come with Python; integrations go by the names of their libraries."""
    names = IMPORTED.findall("\n".join(blocks(page, "python")))
    return {LIBRARY.get(name, name) for name in names} - {"kilter"} - sys.stdlib_module_names


def brought(requirement: str) -> set[str]:
    """The modules that come with what pip is told to install, our extras taken apart."""
    name, extras = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?.*", requirement).groups()
    if name not in ("kilter", "."):
        return {MODULE.get(name, name)}
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in (extras or "").split(",") if e)]
    return {module for needed in lists for one in needed for module in brought(one)}


@pytest.mark.story
@pytest.mark.parametrize(("page", "number"), SCRIPTS, ids=lambda value: getattr(value, "stem", str(value)))
def test_the_snippets_of_a_page_run(page: Path, number: int, tmp_path: Path) -> None:
    if absent := sorted(name for name in libraries(page) if importlib.util.find_spec(name) is None):
        pytest.skip(f"{', '.join(absent)} is not installed: pip install '.[all]'")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "PATH": path}
    for language, text in scripts(page)[number]:
        (tmp_path / "snippet").write_text(text, encoding="utf-8")
        command = [*RUNS[language], "snippet"]
        run = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", [README, *HOW_TO], ids=lambda page: page.stem)
def test_a_page_says_how_to_install_what_it_imports(page: Path) -> None:
    requirements = " ".join(INSTALLED.findall("\n".join(blocks(page, "sh")))).replace("'", "").split()
    assert requirements
    assert libraries(page) <= set().union(brought("kilter"), *map(brought, requirements))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_have_snippets() -> None:
    without = [page.stem for page in HOW_TO if not blocks(page, "python")]
    assert without == ["hydra", "serve"]  # of the command line: test_hydra.py, tests/story/test_serve.py


def test_the_readme_and_the_index_lead_to_every_page() -> None:
    readme, index = (page.read_text(encoding="utf-8") for page in (README, ROOT / "docs/README.md"))
    assert {f"docs/how-to/{page.name}" for page in HOW_TO} <= set(LINK.findall(readme))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]} - {"README.md"}
    assert pages <= {link.partition("#")[0] for link in LINK.findall(index)}
