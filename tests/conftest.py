"""A PostgreSQL for whoever asks for one: one server a session, one database a test."""

import os
from collections.abc import Iterator

import pytest
from tests.postgres import NoServer, Server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A private server; skips where the machine has no PostgreSQL, and fails there in CI."""
    try:
        server = Server()
    except NoServer as reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(reason))
    with server:
        yield server


@pytest.fixture
def postgresql_url(
    postgresql_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a new database, which is gone after the test, as is what its trials save."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    name = postgresql_server.create()
    yield postgresql_server.url(name)
    postgresql_server.drop(name)
