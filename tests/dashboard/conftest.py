"""A dashboard on a file of small studies, and a client that a browser on this machine would be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.browser.studies import HOSTILE, build

from kilter.dashboard import create_app
from kilter.storage.sqlite import SQLiteStorage

NAMES = ("three", "two-hundred", "conditional", "two-objectives", "all-failed", "population", "folds", HOSTILE)


def client_of(app: Any, **settings: Any) -> TestClient:
    return TestClient(app, base_url="http://localhost", follow_redirects=False, **settings)


@pytest.fixture(scope="session")
def studies_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dashboard") / "studies.db"
    build(SQLiteStorage(path), NAMES)
    return path


@pytest.fixture(scope="session")
def client(studies_file: Path) -> Iterator[TestClient]:
    """It only reads: who writes takes a file of its own."""
    with client_of(create_app(studies_file, read_only=True)) as client:
        yield client
