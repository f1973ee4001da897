"""Libraries are optional: one file imports each, on first use, and its lack is said in a line with the cure."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from kilter import integrations
from kilter.core.errors import MissingLibrary

SOURCE = Path(integrations.__file__).parents[1]
PYPROJECT = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
LIBRARY = {"configspace": "ConfigSpace"}
ALSO = {"sklearn": {"evaluation/estimators.py", "models/forest.py"}}
"""What lies in a layer below the integrations: estimators that an evaluation scores, the forest of `bench --study`."""

IN_AUTOML = {
    "sklearn": "automl/",
    "lightgbm": "automl/",
    "catboost": "automl/members/catboost.py",
    "xgboost": "automl/members/xgboost.py",
}
"""A package of its own with its own extra, which is made of scikit-learn and LightGBM; of others a member each."""


def library(module: str) -> str:
    return LIBRARY.get(module, module)


@pytest.mark.parametrize("module", integrations.__dir__())
def test_a_missing_library_is_said_in_one_line(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n == library(module) or n.startswith(f"{library(module)}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library(module), None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"kilter.integrations.{module}", raising=False)
    monkeypatch.delitem(vars(integrations), module, raising=False)
    with pytest.raises(MissingLibrary) as caught:
        importlib.import_module(f"kilter.integrations.{module}")
    told = re.search(r"pip install ([^,]*)", str(caught.value))[1].replace("'", "").split()
    assert [re.split("[<>=]", each)[0] for each in told] == [re.split("[<>=]", each)[0] for each in EXTRAS[module]]
    assert "\n" not in str(caught.value)


def test_nothing_is_imported_before_it_is_used() -> None:
    names = sorted({library(module) for module in integrations.__dir__()})
    check = f"import sys, kilter.integrations as i; dir(i); print(sorted(set({names!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


@cache
def imports(path: Path) -> set[str]:
    """The first words of what a file imports when it runs; imports for types alone do not count."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("module", integrations.__dir__())
def test_a_library_is_imported_by_one_file_or_package(module: str) -> None:
    by = {p.relative_to(SOURCE).as_posix() for p in SOURCE.rglob("*.py") if library(module) in imports(p)}
    by = {path for path in by if module not in IN_AUTOML or not path.startswith(IN_AUTOML[module])}
    of_a_package = {path for path in by if path.startswith(f"integrations/{module}/")}
    own = of_a_package or {f"integrations/{module}.py"}
    assert by == {*own, *ALSO.get(module, ())}


def test_an_unknown_integration_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="lightgbm"):
        integrations.lightgmb
