"""The server: every route on every study, what it says where something is wrong, and that it only looks."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.browser.studies import HOSTILE
from tests.dashboard.conftest import NAMES, client_of
from tests.dashboard.decoding import decoded

from kilter import Float, create_study, load_study
from kilter.dashboard import create_app
from kilter.dashboard.answers import Answers
from kilter.dashboard.app import API
from kilter.dashboard.routes import ROUTES, routes
from kilter.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from starlette.testclient import TestClient

LOOKING = [route for route in ROUTES if route.method == "GET"]


def strict(text: str) -> Any:
    """JSON as browsers read it."""

    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("number", range(1, len(NAMES) + 1))
@pytest.mark.parametrize("route", LOOKING, ids=lambda route: route.path)
def test_every_route_answers_for_every_study(client: TestClient, route: Any, number: int):
    address = route.path.replace("{id:int}", str(number)).replace("{number:int}", "0")
    query = {"studies": f"{number},{number % len(NAMES) + 1}"} if route.path == "/compare" else {}
    answer = client.get(API + address, params=query)
    assert answer.status_code in (200, 400, 409), answer.text
    if answer.headers["content-type"] == "application/json":
        said = strict(answer.text)
        assert isinstance(said, list) or said.get("v") == 1 or len(said["error"]["message"]) > 20


def test_the_list_has_what_the_first_page_shows(client: TestClient):
    rows = {row["name"]: row for row in client.get(f"{API}/studies").json()}
    assert set(rows) == set(NAMES)
    row = rows["two-hundred"]
    assert row["summary"]["trials"] == 203 and row["summary"]["states"]["RUNNING"] == 3
    assert row["control"] == "running" and row["revision"] > 400


def test_a_trial_is_told_with_what_it_is_compared_to(client: TestClient):
    trial = client.get(f"{API}/studies/2/trials/40").json()
    assert trial["curves"]["accuracy"]["steps"][0] == 1 and trial["best"]["number"] != 40
    assert set(trial["params"]) == {"lr", "width", "dropout", "activation", "norm", "batch"}


def test_two_parameters_that_nobody_named_are_those_that_matter(client: TestClient):
    study = f"{API}/studies/{NAMES.index('two-hundred') + 1}"
    found = client.get(f"{study}/interaction").json()
    pairs = client.get(f"{study}/importance").json()["pairs"]
    assert not pairs or found["parameters"] == pairs[0]["parameters"]
    assert found["parameters"][0] != found["parameters"][1]


def test_names_are_data_wherever_they_come_from(client: TestClient):
    number = NAMES.index(HOSTILE) + 1
    answer = client.get(f"{API}/studies/{number}")
    assert answer.json()["name"] == HOSTILE
    assert answer.headers["content-type"] == "application/json"
    told = decoded(client.get(f"{API}/studies/{number}/columns").content)
    assert f"param:{HOSTILE}" in told.columns and "param:__proto__" in told.columns


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/studies/99", 404, "there is no study 99"),
        ("/studies/2/trials/9999", 404, "it has 203 trials"),
        ("/studies/2/convergence?objective=acuracy", 400, "accuracy"),
        ("/studies/2/convergence?against=money", 400, "trials, time, cost"),
        ("/studies/2/columns?after=x", 400, "a whole number"),
        ("/studies/2/columns?befor=1", 400, "after"),
        ("/studies/2/curves?metric=nothing", 400, "accuracy"),
        ("/studies/2/curves?numbers=1;2", 400, "1,2,3"),
        ("/compare?studies=2", 400, "two or more"),
        ("/nothing", 404, "nothing at this address"),
        ("/studies/1e3", 404, "nothing at this address"),
    ],
)
def test_what_is_wrong_is_said(client: TestClient, address: str, status: int, said: str):
    answer = client.get(API + address)
    assert answer.status_code == status and said in answer.json()["error"]["message"]


def test_an_answer_that_is_known_is_not_sent_again(client: TestClient):
    first = client.get(f"{API}/studies/2/convergence")
    assert (
        client.get(f"{API}/studies/2/convergence", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    )


def test_what_is_large_is_compressed_for_who_can_read_it(client: TestClient):
    with client.stream("GET", f"{API}/studies/2/columns", headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
    plain = client.get(f"{API}/studies/2/columns", headers={"accept-encoding": "identity"})
    assert gzip.decompress(packed) == plain.content and len(packed) < len(plain.content)


def test_the_description_has_every_route_and_what_it_takes(client: TestClient):
    said = client.get(f"{API}/openapi.json").json()
    told = {(path, method) for path, methods in said["paths"].items() for method in methods}
    assert told == {(route.path.replace(":int", ""), route.method.lower()) for route in routes()}
    operation = said["paths"]["/studies/{id}/curves"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["id", "metric", "top", "numbers"]
    names = [each["operationId"] for methods in said["paths"].values() for each in methods.values()]
    assert len(set(names)) == len(names)


def test_files_of_trials_are_saved_and_run_no_formulas(client: TestClient):
    number = NAMES.index(HOSTILE) + 1
    table = client.get(f"{API}/studies/{number}/export?format=csv")
    assert table.headers["content-disposition"].startswith("attachment;")
    cells = [cell for row in csv.reader(io.StringIO(table.text)) for cell in row]
    assert "'=1+1" in cells and not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    page = client.get(f"{API}/studies/{number}/export?format=report&redact=yes")
    assert page.headers["content-disposition"].startswith("attachment;") and "left out" in page.text
    lines = client.get(f"{API}/studies/2/export?format=jsonl").text.splitlines()
    assert len(lines) == 203 and strict(lines[1])["number"] == 1


def test_it_works_under_a_prefix(studies_file: Path):
    app = Starlette(routes=[Mount("/tuning/kilter", create_app(studies_file, token="t"))])
    with client_of(app) as client:
        mounted: Any = app.routes[0].app  # type: ignore[attr-defined]
        assert client.get("/tuning/kilter/api/v1/server").status_code == 401
        welcome = client.get(f"/tuning/kilter/?code={mounted.tickets.link()}")
        assert welcome.status_code == 303 and welcome.headers["location"] == "./"
        assert "Path=/tuning/kilter" in welcome.headers["set-cookie"]
        assert client.get("/tuning/kilter/api/v1/server").json()["studies"] == len(NAMES)


def test_a_storage_that_goes_away_is_an_error_and_comes_back(tmp_path: Path, studies_file: Path):
    path, away = tmp_path / "s.db", tmp_path / "away.db"
    study = create_study(storage=f"sqlite:///{path}", study_name="a", space={"x": Float(0, 1)}, seed=0)
    study.optimize(lambda x: x, n_trials=3, progress="none")
    study.close()
    with client_of(create_app(path)) as client:
        assert client.get(f"{API}/studies/1").json()["summary"]["trials"] == 3
        os.rename(path, away)
        for address in ("/studies", "/studies/1", "/studies/1/columns", "/studies/1/convergence", "/server"):
            answer = client.get(API + address)
            assert answer.status_code == 503 and "is gone" in answer.json()["error"]["message"], address
        os.rename(away, path)
        assert client.get(f"{API}/studies/1").json()["summary"]["trials"] == 3
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        shutil.copy(studies_file, path)
        assert client.get(f"{API}/server").json()["studies"] == len(NAMES)
        assert client.get(f"{API}/studies/2").json()["name"] == "two-hundred"


def test_a_study_that_is_damaged_leaves_the_others_to_be_read(tmp_path: Path):
    path = tmp_path / "s.db"
    for name in ("good", "bad"):
        with create_study(storage=f"sqlite:///{path}", study_name=name, space={"x": Float(0, 1)}, seed=0) as study:
            study.optimize(lambda x: x, n_trials=3, progress="none")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM snapshot")
        connection.execute("UPDATE event SET body = '[' WHERE study = 2 AND position = 3")
    with client_of(create_app(path)) as client:
        good, bad = client.get(f"{API}/studies").json()
        assert good["summary"]["trials"] == 3 and "error" not in good
        assert bad["summary"] is None and "kilter check bad" in bad["error"]
        assert client.get(f"{API}/studies/2").status_code == 503


def test_a_study_that_is_deleted_is_gone_and_its_successor_is_another(tmp_path: Path):
    storage = MemoryStorage()
    create_study(storage=storage, study_name="s", space={"x": Float(0, 1)})
    with client_of(create_app(storage)) as client:
        assert client.get(f"{API}/studies/1").status_code == 200
        storage.delete(1)
        assert client.get(f"{API}/studies/1").status_code == 404
        assert client.get(f"{API}/studies").json() == []


def test_what_others_write_is_there_at_once(tmp_path: Path):
    path = tmp_path / "s.db"
    create_study(storage=f"sqlite:///{path}", study_name="s", space={"x": Float(0, 1)}, seed=0).close()
    with client_of(create_app(path)) as client:
        assert client.get(f"{API}/studies/1").json()["summary"]["trials"] == 0
        before = client.get(f"{API}/studies/1/convergence").json()
        load_study(study_name="s", storage=f"sqlite:///{path}").optimize(lambda x: x, n_trials=4, progress="none")
        told = decoded(client.get(f"{API}/studies/1/columns?after={before['revision']}").content)
        assert told.rows is not None and told.rows.tolist() == [0, 1, 2, 3]
        after = client.get(f"{API}/studies/1/convergence").json()
        assert after["revision"] > before["revision"]
        assert (before["as_of"], after["as_of"]) == (0, 4)  # so a page can say what a part of it had seen


def test_answers_that_are_kept_have_a_size():
    answers = Answers(most=10)
    for question in "abc":
        answers.keep(question, b"1234")
    assert [answers.known(question) for question in "abc"] == [None, b"1234", b"1234"]
    answers.keep("long", b"1" * 100)
    assert answers.known("long") is not None and answers.known("c") is None
