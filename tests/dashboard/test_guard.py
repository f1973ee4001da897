"""Who may ask what: a table of all routes and methods, and of what may be wrong with a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route as Address
from tests.dashboard.conftest import client_of

from kilter.dashboard import create_app
from kilter.dashboard.app import API
from kilter.dashboard.guard import HEADERS, LOOPBACK, MOST_BYTES, MOST_BYTES_OF_WORKERS, Allowance, Tickets
from kilter.dashboard.routes import routes
from kilter.dashboard.working import WORK

if TYPE_CHECKING:
    from starlette.testclient import TestClient

TOKEN = "a-token-for-tests"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
JSON = {"content-type": "application/json"}
MINE = {"authorization": f"Bearer {TOKEN}"}
ROUTES = routes(workers=True)


def addresses() -> list[str]:
    """One address for each route that the application has, whoever put it there."""
    found: list[Any] = create_app("sqlite:///:memory:", workers=True)._app.routes  # type: ignore[attr-defined]
    assert all(isinstance(route, Address) for route in found), "a mounted application has routes that this does not see"
    filled = {"{id:int}": "1", "{number:int}": "0", "{name:path}": "index.html"}
    paths = []
    for route in found:
        path = route.path
        for place, value in filled.items():
            path = path.replace(place, value)
        assert "{" not in path, f"say here what {path} may be filled with"
        paths.append(path)
    return paths


ADDRESSES = addresses()


@pytest.mark.parametrize("workers", [False, True])
def test_the_table_has_all_routes(workers: bool):
    table = {API + route.path for route in routes(workers)} | {f"{API}/events", "/{name:path}"}
    app = create_app("sqlite:///:memory:", workers=workers)
    assert {route.path for route in app._app.routes} == table  # type: ignore[attr-defined]


def test_a_dashboard_has_no_route_for_workers(client: TestClient):
    ours = {route.path for route in ROUTES if route.is_for_workers}
    assert ours == {route.path for route in ROUTES} - {route.path for route in routes()} != set()
    for path in ours:
        assert client.get(API + path.replace("{id:int}", "1").replace("{number:int}", "0")).status_code == 404


@pytest.fixture
def asked(studies_file: Path) -> Iterator[Any]:
    """Ask a dashboard that has a token, with whatever is wrong; it has not been asked before."""
    app = create_app(studies_file, token=TOKEN, workers=True)
    with client_of(app) as client:

        def ask(method: str, address: str, **wrong: Any) -> int:
            headers = {"origin": "http://localhost", **MINE, **JSON, **wrong.pop("headers", {})}
            headers = {name: value for name, value in headers.items() if value is not None}
            response = client.request(method, address, headers=headers, **wrong)
            assert_sealed(response)
            return response.status_code

        yield ask


def assert_sealed(response: Any) -> None:
    for name, value in HEADERS.items():
        assert response.headers[name] == value


WRONG = {
    "no token": ({"authorization": None}, {401, 429}),
    "another token": ({"authorization": "Bearer guess"}, {401, 429}),
    "a cookie that was guessed": ({"authorization": None, "cookie": f"{Tickets(TOKEN).cookie}=guess"}, {401, 429}),
    "a foreign host": ({"host": "evil.example"}, {421}),
    "a foreign host that looks like ours": ({"host": "localhost.evil.example"}, {421}),
    "a foreign origin": ({"origin": "http://evil.example"}, {403}),
    "another port of this machine": ({"origin": "http://localhost:8888"}, {403}),
    "an origin that is hidden": ({"origin": "null"}, {403}),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("method", METHODS)
def test_no_route_answers_a_request_that_may_not_come_in(asked: Any, method: str, wrong: str):
    headers, statuses = WRONG[wrong]
    for address in ADDRESSES:
        assert asked(method, address, headers=headers) in statuses, address


def test_a_program_with_the_token_may_call_the_server_of_workers_by_any_name(asked: Any):
    elsewhere = {"host": "kilter-serve:8660", "origin": None}
    assert asked("GET", f"{API}/work/storage", headers=elsewhere) == 200
    assert asked("GET", f"{API}/work/storage", headers={**elsewhere, "authorization": None}) == 421
    assert asked("GET", f"{API}/work/storage", headers={**elsewhere, "origin": "http://kilter-serve:8660"}) == 421
    assert asked("GET", f"{API}/studies", headers=elsewhere) == 421


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("GET", "HEAD")])
@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_no_change_is_taken_that_a_form_could_send(asked: Any, method: str, kind: str | None):
    for address in ADDRESSES:
        assert asked(method, address, headers={"content-type": kind}) == 415, address


@pytest.mark.parametrize("method", METHODS)
def test_nothing_changes_where_it_is_read_only(studies_file: Path, method: str):
    with client_of(create_app(studies_file, read_only=True, workers=True)) as client:
        for address in ADDRESSES:
            if method in ("GET", "HEAD") and not address.endswith("/events"):
                assert client.request(method, address).status_code != 403
            elif method not in ("GET", "HEAD"):
                assert client.request(method, address, headers=JSON).status_code == 403, address


def test_routes_only_take_their_own_method(asked: Any):
    for route in ROUTES:
        address = API + route.path.replace("{id:int}", "1").replace("{number:int}", "0")
        other = "POST" if route.method == "GET" else "GET"
        assert asked(other, address) in (404, 405), address


@pytest.mark.parametrize("host", [*LOOPBACK[:2], "[::1]", "LOCALHOST", "localhost.", "localhost:1", "[::1]:8000"])
def test_this_machine_may_be_called_by_any_of_its_names(client: TestClient, host: str):
    assert client.get(f"{API}/server", headers={"host": host}).status_code == 200


ODD = ["evil@localhost", "evil:80@localhost", "localhost/evil", "localhost:x", "local\thost", "localhost..", "[::1]x"]


@pytest.mark.parametrize("host", ["", "evil", "[", "localhost@evil", "127.0.0.1.evil", "0.0.0.0", "[::1", "a b", *ODD])
def test_no_other_name_is_answered(client: TestClient, host: str):
    assert client.get(f"{API}/server", headers={"host": host}).status_code == 421


def test_a_name_that_the_user_gave_is_answered_and_may_be_the_origin(studies_file: Path):
    with client_of(create_app(studies_file, hosts=["hub.example"])) as client:
        headers = {"host": "hub.example", "origin": "https://hub.example"}
        assert client.get(f"{API}/server", headers=headers).status_code == 200
        assert client.get(f"{API}/server", headers={**headers, "origin": "https://evil.example"}).status_code == 403


def test_a_link_works_once_and_leaves_a_cookie_that_scripts_cannot_read(studies_file: Path):
    app = create_app(studies_file, token=TOKEN)
    assert app.tickets is not None
    code = app.tickets.link()
    with client_of(app) as client:
        assert client.get("/").status_code == 401
        welcome = client.get(f"/?code={code}")
        assert welcome.status_code == 303 and welcome.headers["location"] == "./"
        cookie = welcome.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
        assert client.get(f"{API}/server").status_code == 200
    with client_of(app) as other:
        assert other.get(f"/?code={code}").status_code == 401


def test_who_guesses_has_to_wait(studies_file: Path):
    with client_of(create_app(studies_file, token=TOKEN)) as client:
        statuses = [client.get("/", headers={"authorization": f"Bearer {i}"}).status_code for i in range(40)]
        assert statuses[:10] == [401] * 10 and 429 in statuses
        assert client.get(f"{API}/server", headers=MINE).status_code == 200


def test_large_and_deep_bodies_are_refused(asked: Any):
    address = ADDRESSES[0]
    assert asked("POST", address, content=b" " * (MOST_BYTES + 1)) == 413
    assert asked("POST", address, content=json.dumps({"a": 1})) == 405
    work = f"{API}{WORK}/create"
    assert asked("POST", work, content=b" " * (MOST_BYTES + 1)) == 400
    assert asked("POST", work, content=b" " * (MOST_BYTES_OF_WORKERS + 1)) == 413


def test_workers_may_tell_as_often_as_they_like_and_nobody_else(asked: Any):
    statuses = {asked("POST", f"{API}{WORK}/storage/studies/1/release", json={"id": "w"}) for _ in range(150)}
    assert statuses == {200}
    assert {asked("POST", f"{API}/studies/1/actions/pause?{i}", json={"x": 1}) for i in range(150)} == {400, 429}


def test_an_allowance_is_used_up_and_grows_again():
    now = 0.0
    allowance = Allowance(2, 0.5, lambda: now)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now = 2.0
    assert [allowance.take() for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "path", ["..%2f..%2fapp.py", "%2e%2e/app.py", "assets/../../app.py", "/etc/passwd", "..\\app.py", "app.py%00.js"]
)
def test_no_file_is_served_but_those_of_the_page(client: TestClient, path: str):
    assert client.get(f"/{path}").status_code == 404


def test_nothing_is_unpickled():
    import kilter.dashboard

    folder = Path(kilter.dashboard.__file__).parent
    sources = {path.name: path.read_text() for path in folder.rglob("*.py")}
    assert not {name for name, text in sources.items() if "pickle" in text or "eval(" in text or "exec(" in text}


@pytest.mark.parametrize("origin", [b"http://[", b"http://[::1", b"//", b"null", b"http://localhost]", b"\xff"])
def test_an_origin_that_cannot_be_read_is_that_of_another_page(client: TestClient, origin: bytes):
    answer = client.get(f"{API}/server", headers={"origin": origin})  # type: ignore[dict-item]
    assert answer.status_code == 403 and "another page" in answer.text
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
