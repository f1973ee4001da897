"""The pages on the command line, a study's file and Python name whatever there is, and what they show is understood."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from kilter import Resources, create_study, plugins, tune
from kilter.api.arguments import StudyOptions
from kilter.cli import VERBS
from kilter.cli.dimensions import EXTRAS, KINDS
from kilter.cli.specification import KEYS, SHORT, TABLES, Specification, loads
from kilter.cli.verbs.init import TEMPLATE

PAGES = Path(__file__).parents[1] / "docs/reference"
CLI, FILE, SETTINGS, PYTHON = (
    (PAGES / f"{name}.md").read_text(encoding="utf-8") for name in ("cli", "file", "settings", "python")
)
SHARED, *SECTIONS = re.split(r"^## kilter ", CLI, flags=re.MULTILINE)


def commands(verb: str) -> Iterator[click.Command]:
    command = import_module(f"kilter.cli.verbs.{verb}").command
    if isinstance(command, click.Group):
        context = click.Context(command)
        yield from (command.get_command(context, name) for name in command.list_commands(context))
    else:
        yield command


def section(verb: str) -> str:
    (found,) = (text for text in SECTIONS if text.split()[0] == verb)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_section_with_its_options(verb: str) -> None:
    options = {
        word
        for command in commands(verb)
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for word in parameter.opts
    }
    told = section(verb) + SHARED + (section("run") if verb in ("resume", "worker") else "")
    assert {word for word in options if not re.search(rf"`{word}[` ]", told)} == set()


def test_no_section_or_option_is_made_up() -> None:
    assert [text.split()[0] for text in SECTIONS] == sorted(VERBS, key=[text.split()[0] for text in SECTIONS].index)
    known = {word for verb in VERBS for command in commands(verb) for p in command.params for word in p.opts}
    told = set(re.findall(r"`(--[a-z-]+)", CLI)) - {"--help", "--version", "--debug", "--amp", "--lr"}
    assert told <= known


def test_each_key_of_a_file_is_told() -> None:
    kinds = {name for name, kind in KINDS.items() if kind.__module__.startswith("kilter.")}  # no test's own
    keys = {*KEYS, *SHORT, *kinds, *EXTRAS, *(key for table in TABLES.values() for key in table)}
    assert {key for key in keys if f"`{key}`" not in FILE and f"[`{key}`]" not in FILE} == set()


@pytest.mark.parametrize("block", re.findall(r"^```toml\n(.*?)^```$", FILE, re.DOTALL | re.MULTILINE))
def test_what_the_page_shows_is_understood(block: str) -> None:
    specification = Specification.of({"objective": {"minimize": "loss"}, **loads(block, "the page")})
    for part, read in {"space": lambda: specification.space, "fidelity": lambda: specification.fidelities}.items():
        if part in specification.document:
            assert read()
    for kind in ("sampler", "scheduler"):
        specification.plugin(kind)
    if "command" in specification.document:
        assert specification.program


def test_the_template_runs_and_its_options_are_options(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kilter"]
    subprocess.run([*words, "init", "sweep.toml"], cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "sweep.toml").read_text(encoding="utf-8")
    all_on = re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)
    wanted = Specification.of(loads(all_on, "the template"))
    assert {*wanted.document} == {*KEYS} - {"directory"}
    assert {*wanted.document["budget"]} == {*TABLES["budget"]}
    assert {*wanted.document["command"]} == {*TABLES["command"]}
    assert len(wanted.space.names) == 6 and wanted.fidelities and wanted.limits and wanted.constraints
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = subprocess.run(
        [*words, "run", "sweep.toml", "-n", "3"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert run.returncode == 0 and "warning" not in run.stderr, run.stderr
    again = subprocess.run([*words, "init", "sweep.toml"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert again.returncode == 2 and "there already" in again.stderr
    shown = subprocess.run([*words, "init"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert shown.stdout.count("\n") == TEMPLATE.count("\n")


def test_tab_completes_verbs_options_and_studies(tmp_path: Path) -> None:
    from kilter.api import create_study

    create_study(storage=f"sqlite:///{tmp_path}/kilter.db", study_name="digits")

    def completed(line: str) -> set[str]:
        variables = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_KILTER_COMPLETE": "bash_complete"}
        command = [sys.executable, "-m", "kilter.cli"]
        run = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **variables}, check=True, capture_output=True, text=True
        )
        return {word.partition(",")[2] for word in run.stdout.split()}

    assert completed("kilter tri") == {"trial", "trials"}
    assert completed("kilter trials --st") == {"--state", "--study", "--storage"}
    assert completed("kilter status d") == {"digits"}
    assert completed("kilter status --study d") == {"digits"}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("sampler", "scheduler", "executor") for name in plugins.TABLES[kind]]
)
def test_each_setting_is_told_with_its_default(kind: str, name: str) -> None:
    plugin = plugins.load(kind, name)
    (table,) = (part for part in SETTINGS.split("\n## ") if part.startswith(f"{kind.title()}s\n"))
    (row,) = (line for line in table.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
    assert f"`{plugin.__name__}`" in row
    fields = {field.name: field.default for field in dataclasses.fields(plugin) if field.name != "seed"}
    told = dict(re.findall(r"`(\w+)=([^`]+)`", row.replace(", `", "; `")))
    assert set(told) <= set(fields)
    for field, default in fields.items():
        if "the same" not in row or field in told:
            assert eval(told[field]) == default, field


def test_the_limits_are_told() -> None:
    for limit in ("n_trials", "timeout", "target", "patience", "steps", "cost", "gain", "stoppers"):
        assert f"| `{limit}` |" in SETTINGS


@pytest.mark.parametrize(
    ("section", "offered"),
    [
        ("## tune\n", ({*inspect.signature(tune).parameters, *StudyOptions.__annotations__} - {"study"})),
        ("## Limits of one trial", {field.name for field in dataclasses.fields(Resources)}),
        ("## Study\n", set(dir(create_study()))),
        ("## Trial\n", set(dir(create_study().ask()))),
    ],
)
def test_the_page_on_python_tells_what_there_is_and_no_more(section: str, offered: set[str]) -> None:
    _, _, rest = PYTHON.partition(section)
    rows = re.findall(r"^\| (`.*?) \|", rest.partition("\n## ")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)", row)} == {
        name for name in offered if not name.startswith("_")
    }
