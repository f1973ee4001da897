"""The command line as tests call it: in this process, in a folder of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kilter.cli import main

URL = "sqlite:///kilter.db"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KILTER_STORAGE", "KILTER_WORKER", "KILTER_DEBUG", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def kilter(*words: str, **extra: Any) -> Result:
    """What came of a command."""
    return CliRunner().invoke(main, list(words), **extra)


def ok(*words: str) -> str:
    """What a command said that went well."""
    result = kilter(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout + result.stderr


def document(*words: str) -> Any:
    """The JSON document of a command, which any reader of JSON takes."""
    result = kilter(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
