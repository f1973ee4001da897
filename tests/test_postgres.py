"""The server that tests have: it survives what they do to it."""

import signal

import psycopg
import pytest
from tests.postgres import Server


@pytest.fixture(scope="module")
def server(postgresql_server):
    return postgresql_server


def test_each_test_has_a_database_of_its_own(postgresql_url, server):
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE mine (x INT)")
    with psycopg.connect(server.url(server.create())) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


def test_loopback_asks_for_the_password(server):
    with psycopg.connect(server.tcp_url("postgres")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://kilter:wrong@127.0.0.1:{server.port}/postgres")


def accident(server: Server, how: str) -> None:
    if how == "kill":
        server.kill()
        server.start()
    elif how == "pause":
        server.pause()
        server.resume()
    else:
        server.restart(getattr(signal, how))


@pytest.mark.parametrize("how", ["SIGINT", "SIGQUIT", "kill", "pause"])
def test_what_was_committed_is_there_after_an_accident(server, how):
    name = server.create()
    server.execute("CREATE TABLE kept (x INT)", name)
    accident(server, how)
    assert server.execute("SELECT count(*) FROM kept", name) == [(0,)]
    server.drop(name)
