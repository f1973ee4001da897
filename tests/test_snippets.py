"""What README and the pages of docs show runs: how-to pages from top to bottom, other pages block by block.

First the blocks in Python, then those marked `sh`, but for what they install. An `sh` block says what a how-to page
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
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))
BY_BLOCK = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/reference").glob("*.md")]
PAGES = [*BY_BLOCK, *HOW_TO]
LIBRARY = {"configspace": "ConfigSpace", "hydra_plugins": "hydra"}
MODULE = {"hydra-core": "hydra", "mlflow-skinny": "mlflow", "scikit-learn": "sklearn"}
IMPORTED = re.compile(r"^\s*(?:import|from) (?:kilter\.integrations\.)?(\w+)", re.MULTILINE)
INSTALLED = re.compile(r"^pip install ([^#\n]*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def scripts(page: Path) -> list[tuple[str, str]]:
    """What runs, in one folder each, as pairs of Python and shell."""
    python, shell = blocks(page, "python"), [INSTALLED.sub("", block) for block in blocks(page, "sh")]
    if page in HOW_TO:
        return [("\n".join(python), "\n".join(shell))]
    return [*((block, "") for block in python), *(("", block) for block in shell)]


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
    python, shell = scripts(page)[number]
    for name, text in {"snippets.py": python, "snippets.sh": shell}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "PATH": path}
    for command in ([sys.executable, "snippets.py"], ["sh", "-e", "snippets.sh"]):
        run = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", [ROOT / "README.md", *HOW_TO], ids=lambda page: page.stem)
def test_a_page_says_how_to_install_what_it_imports(page: Path) -> None:
    requirements = " ".join(INSTALLED.findall("\n".join(blocks(page, "sh")))).replace("'", "").split()
    assert requirements
    assert libraries(page) <= set().union(brought("kilter"), *map(brought, requirements))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_have_snippets() -> None:
    assert [page.stem for page in HOW_TO if not blocks(page, "python")] == ["hydra"]  # all command line: test_hydra.py


def test_the_readme_and_the_index_lead_to_every_page() -> None:
    readme, index = (page.read_text(encoding="utf-8") for page in (ROOT / "README.md", ROOT / "docs/README.md"))
    assert {f"docs/how-to/{page.name}" for page in HOW_TO} <= set(LINK.findall(readme))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]} - {"README.md"}
    assert pages <= {link.partition("#")[0] for link in LINK.findall(index)}
