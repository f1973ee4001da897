"""The public surface is a list: each name loads, says what it is, and costs nothing before it is used."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kilter

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", kilter.__all__)
def test_each_name_loads_and_has_a_docstring(name: str) -> None:
    assert getattr(kilter, name).__doc__


MODULES = ["kilter", *(f"kilter.{name}" for name in kilter._MODULES)]


@pytest.mark.parametrize("module", MODULES)
def test_tab_offers_public_names_and_no_others(module: str) -> None:
    offered = {name for name in dir(importlib.import_module(module)) if not name.startswith("__")}
    assert offered == set(getattr(importlib.import_module(module), "__all__", offered)) | (
        set(kilter._MODULES) if module == "kilter" else set()
    )
    assert not offered & {"Any", "TYPE_CHECKING", "annotations", "import_module", "needed"}
    assert not [name for name in offered if name.startswith("_")]


def test_a_trial_offers_what_an_objective_may_use() -> None:
    """A change here is a change of the public surface: other helpers have an underscore."""
    study = kilter.create_study(seed=0)
    assert {name for name in dir(study.ask()) if not name.startswith("_")} == {
        *("attempt", "budget", "checkpoint_dir", "datetime_start", "distributions", "last_report", "leaves", "load"),
        *("flush", "has_left", "log_artifact"),
        *("number", "objectives", "params", "parent", "report", "save", "set_user_attr", "should_prune", "suggest"),
        *("suggest_categorical", "suggest_discrete_uniform", "suggest_float", "suggest_int", "suggest_loguniform"),
        *("constraints", "set_constraint", "set_system_attr", "space", "suggest_uniform", "system_attrs", "user_attrs"),
    }


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tunee'"):
        kilter.tunee


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import kilter", ["numpy", "scipy", "click", "rich", "pandas", "psutil", "sqlite3"]),
        ("import kilter; kilter.create_study", ["scipy", "click", "rich", "pandas", "psutil", "cloudpickle"]),
        (
            "import kilter; kilter.create_study(sampler='random').optimize(lambda t: 0.0, 3, progress='none')",
            ["scipy.stats", "scipy.optimize", "kilter.models.gp", "rich", "pandas", "starlette"],
        ),
    ],
)
def test_an_import_loads_no_more_than_it_needs(code: str, absent: list[str]) -> None:
    check = f"{code}; import sys; print(sorted(set({absent!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_nothing_is_unpickled_from_a_store() -> None:
    for folder in ("core", "engine", "storage", "runtime", "samplers", "schedulers"):
        for path in (ROOT / "src/kilter" / folder).glob("**/*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"import (cloud)?pickle|allow_pickle=True|\beval\(|\bexec\(", text), path


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_and_files_that_the_pages_name_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_changelog_names_the_version() -> None:
    assert f"## {kilter.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_error_can_be_caught_by_a_public_name() -> None:
    from kilter import exceptions
    from kilter.core import errors

    raised = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert raised <= set(exceptions.__all__)
    assert {"KilterError", "NotReady", "StudyAborted", "StudyChanged", "TrialPruned"} <= raised & set(kilter.__all__)
