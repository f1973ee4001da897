"""What is done from a page is in the log like anything else, and what makes no sense is refused in words."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.studies import HOSTILE
from tests.dashboard.conftest import client_of
from tests.dashboard.decoding import decoded

from kilter import Choice, Float, Limits, create_study, load_study
from kilter.core.events import TAG, Noted
from kilter.dashboard import create_app
from kilter.dashboard.acting import ACTIONS
from kilter.dashboard.app import API, MOST_WAITING
from kilter.dashboard.routes import ROUTES
from kilter.importance import get_param_importances

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SPACE = {"x": Float(0, 1), "kind": Choice(["a", "b"])}


def objective(x: float, kind: str) -> float:
    if x > 0.7:
        raise ValueError("too large")
    return x


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    with create_study(storage=f"sqlite:///{path}", study_name="s", space=SPACE, seed=0) as study:
        study.optimize(objective, n_trials=8, progress="none")
    return path


@pytest.fixture
def client(path: Path) -> Iterator[TestClient]:
    with client_of(create_app(path)) as client:
        yield client


def done(client: TestClient, action: str, body: Any, status: int = 200) -> Any:
    answer = client.post(f"{API}/studies/1/actions/{action}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def told(client: TestClient) -> Any:
    return client.get(f"{API}/studies/1").json()


def failed_one(client: TestClient) -> int:
    told = decoded(client.get(f"{API}/studies/1/columns").content)
    return int((told.columns["state"] == 3).nonzero()[0][0])


def test_a_study_is_paused_goes_on_and_is_stopped(client: TestClient, path: Path):
    for action, control in (("pause", "paused"), ("unpause", "running"), ("stop", "stopped")):
        before = told(client)["revision"]
        assert done(client, action, {})["revision"] > before
        assert told(client)["control"] == control
        assert client.get(f"{API}/studies").json()[0]["control"] == control
    assert load_study(study_name="s", storage=f"sqlite:///{path}")._log.replica.control == "stopped"


def test_a_budget_grows(client: TestClient):
    done(client, "budget", {"trials": 5, "seconds": None})
    assert told(client)["budget"]["added"] == {"trials": 5, "seconds": 0.0}


def test_what_a_run_asked_for_is_told_with_what_is_left(client: TestClient, path: Path):
    assert (told(client)["budget"], told(client)["standing"]) == (None, "idle")
    with load_study(study_name="s", storage=f"sqlite:///{path}") as study:
        study.optimize(objective, limits=Limits(trials=10), progress="none")
    row = client.get(f"{API}/studies").json()[0]
    assert (row["budget"]["trials"], row["budget"]["used"], row["standing"], row["eta"]) == (10, 10, "done", None)
    done(client, "budget", {"trials": 5, "seconds": None})
    row = client.get(f"{API}/studies").json()[0]
    assert (row["budget"]["trials"], row["standing"]) == (15, "idle") and row["eta"] > 0


def test_a_variant_is_tried_next(client: TestClient, path: Path):
    number = done(client, "enqueue", {"params": {"x": 0.25}})["number"]
    with load_study(study_name="s", storage=f"sqlite:///{path}") as study:
        study.optimize(objective, n_trials=1, progress="none")
        assert study.trials[number].params["x"] == 0.25
    assert client.get(f"{API}/studies/1/trials/{number}").json()["enqueued"] is True


def test_a_failed_trial_is_run_again_once(client: TestClient):
    number = failed_one(client)
    assert done(client, "retry", {"numbers": [number, number]})["numbers"] == [8]
    assert done(client, "retry", {"numbers": [number]})["numbers"] == []


def test_a_trial_is_invalidated_and_its_value_is_gone_from_the_columns(client: TestClient):
    best = told(client)["summary"]["best"]
    done(client, "invalidate", {"number": best, "reason": HOSTILE})
    assert told(client)["summary"]["best"] != best
    trial = client.get(f"{API}/studies/1/trials/{best}").json()
    assert trial["invalid"] == HOSTILE and trial["state"] == "FAIL"
    columns = decoded(client.get(f"{API}/studies/1/columns").content).columns
    assert columns["state"][best] == 3 and columns["value:value"][best] != columns["value:value"][best]


def test_notes_and_tags_are_kept_as_they_are_written(client: TestClient):
    done(client, "note", {"text": HOSTILE})
    done(client, "note", {"number": 2, "text": "second"})
    done(client, "tag", {"names": ["paper", HOSTILE]})
    done(client, "tag", {"names": ["paper"], "has": False})
    study = told(client)
    assert study["note"] == HOSTILE and study["tags"] == [HOSTILE]
    assert client.get(f"{API}/studies/1/trials/2").json()["note"] == "second"


@pytest.mark.parametrize(
    ("action", "body", "status", "said"),
    [
        ("enqueue", {}, 400, "'params' is missing"),
        ("enqueue", {"params": [1]}, 400, "an object"),
        ("enqueue", {"params": {"x": 7}}, 400, "x: 7"),
        ("enqueue", {"params": {"z": 0.5}}, 400, "no parameter 'z'"),
        ("budget", {}, 400, "to add"),
        ("budget", {"trials": -1}, 400, "a whole number from 0 on"),
        ("budget", {"trials": True}, 400, "a whole number from 0 on"),
        ("budget", {"trial": 3}, 400, "did you mean 'trials'"),
        ("budget", {"seconds": 10**400}, 400, "a number that a float can hold"),
        ("budget", {"seconds": 1e300}, 400, "seconds=1e+300: give how many to add"),
        ("budget", {"trials": 2**40}, 400, "trials=1099511627776: give how many to add"),
        ("retry", {"number": 99}, 404, "no trial 99"),
        ("invalidate", {"number": 0, "reason": " "}, 400, "say in a few words"),
        ("invalidate", {"number": 0}, 400, "'reason' is missing"),
        ("note", {"text": 3}, 400, "a text"),
        ("note", {"number": 99, "text": ""}, 404, "no trial 99"),
        ("tag", {"names": [""]}, 400, "is no tag"),
        ("tag", {"names": "paper"}, 400, "texts"),
        ("pause", {"a": 1}, 400, "no field 'a'"),
        ("pause", [], 400, "an object of JSON"),
        ("note", {"text": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}, 400, "levels deep"),
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, action: str, body: Any, status: int, said: str):
    before = told(client)["revision"]
    assert said in done(client, action, body, status)["error"]["message"]
    assert told(client)["revision"] == before


def test_half_characters_are_refused_and_those_that_a_log_has_come_out_as_escapes(client: TestClient, path: Path):
    def said(action: str, body: str) -> Any:
        kind = {"content-type": "application/json"}
        return client.post(f"{API}/studies/1/actions/{action}", content=body, headers=kind)

    before = told(client)["revision"]
    for action, body in (
        ("note", r'{"text": "caf\udce9"}'),
        ("tag", r'{"names": ["caf\udce9"]}'),
        ("invalidate", r'{"number": 0, "reason": "caf\udce9"}'),
        ("enqueue", r'{"params": {"kind": "caf\udce9"}}'),
    ):
        answer = said(action, body)
        assert answer.status_code == 400 and "udce9" in answer.json()["error"]["message"]
    assert told(client)["revision"] == before
    with load_study(study_name="s", storage=f"sqlite:///{path}") as study:  # names of files may have them
        study._log.write(Noted(0, {"file": "caf\udce9"}, 0.0), Noted(None, {f"{TAG}\udce9": True}, 0.0))
    for kind in ("csv", "jsonl", "report"):
        assert client.get(f"{API}/studies/1/export?format={kind}").status_code == 200
    line = client.get(f"{API}/studies/1/export?format=jsonl").text.splitlines()[0]
    assert json.loads(line)["attrs"] == {"file": "caf\udce9"}
    assert told(client)["tags"] == ["\udce9"]
    assert said("tag", r'{"names": ["\udce9"], "has": false}').status_code == 200
    assert told(client)["tags"] == []


def test_changes_that_wait_for_another_process_keep_nobody_from_looking(client: TestClient, path: Path):
    told(client)
    answers: Queue[int] = Queue()

    def noted() -> None:
        answers.put(client.post(f"{API}/studies/1/actions/note", json={"text": "x"}).status_code)

    too_many = 5
    threads = [threading.Thread(target=noted) for _ in range(1 + MOST_WAITING + too_many)]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for thread in threads:
            thread.start()
        assert {answers.get(timeout=30) for _ in range(too_many)} == {503}
        for address in ("", "/1", "/1/columns", "/1/trials/0", "/1/timeline"):
            assert client.get(f"{API}/studies{address}").status_code == 200
        assert answers.empty(), "the others wait still"
        other.execute("ROLLBACK")
    for thread in threads:
        thread.join()
    assert [answers.get() for _ in range(1 + MOST_WAITING)] == [200] * (1 + MOST_WAITING)
    assert told(client)["note"] == "x"


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"text": NaN}', b"[" * 60_000])
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes):
    headers = {"content-type": "application/json"}
    answer = client.post(f"{API}/studies/1/actions/note", content=body, headers=headers)
    assert answer.status_code == 400 and "JSON" in answer.json()["error"]["message"]


def test_there_is_a_route_for_each_action(client: TestClient):
    said = client.get(f"{API}/openapi.json").json()["paths"]
    for name, (_, _, fields) in ACTIONS.items():
        schema = said[f"/studies/{{id}}/actions/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert set(schema["properties"]) == {field.name for field in fields}


def test_an_objective_that_suggests_nothing_has_pages_and_a_report(tmp_path: Path):
    with create_study(storage=f"sqlite:///{tmp_path / 's.db'}", study_name="s", seed=0) as study:
        study.optimize(lambda trial: float(trial.number), n_trials=12, progress="none")
        assert get_param_importances(study) == {}
    with client_of(create_app(tmp_path / "s.db")) as client:
        for route in ROUTES:
            if route.method == "GET" and "compare" not in route.path:
                address = API + route.path.replace("{id:int}", "1").replace("{number:int}", "3")
                answer = client.get(address)
                assert answer.status_code in (200, 400, 409), (address, answer.text)
        for method in ("auto", "fanova", "pedanova"):
            assert client.get(f"{API}/studies/1/importance?method={method}").json()["shares"] == []
        assert client.get(f"{API}/studies/1/export?format=report").status_code == 200
