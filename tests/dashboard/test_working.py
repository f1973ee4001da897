"""Ask, report, judge and tell over HTTP: as a program in any language would, and as one does that vanishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dashboard.conftest import client_of
from tests.postgres import PASSWORD

from kilter import Float, Limits, TrialState, create_study, get_all_study_summaries, load_study
from kilter.core.interfaces import Worker
from kilter.dashboard import create_app
from kilter.dashboard.app import API
from kilter.executors.inline import Inline
from kilter.runtime import presence
from kilter.schedulers import MedianScheduler
from kilter.storage.sqlite import SQLiteStorage

SPACE = {
    "x": {"kind": "float", "low": 1e-3, "high": 1, "log": True},
    "layers": {"kind": "int", "low": 1, "high": 4},
    "kernel": {"kind": "choice", "options": ["rbf", "poly"]},
    "degree": {"kind": "int", "low": 2, "high": 5, "when": [["kernel", ["poly"]]]},
}

Post = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/studies.db"
    SQLiteStorage(tmp_path / "studies.db").close()
    return url


def posting(url: str) -> Iterator[Post]:
    app = create_app(url, workers=True)
    with client_of(app) as client:

        def post(path: str, status: int = 200, **said: Any) -> Any:
            answer = client.post(
                f"{API}/work/{path}", content=json.dumps(said), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == status, answer.text
            return answer.json() if status == 200 else answer.json()["error"]["message"]

        yield post
    app.work.close()


@pytest.fixture
def post(url: str) -> Iterator[Post]:
    yield from posting(url)


def test_a_study_from_the_first_request_to_the_last(post: Post, url: str):
    made = post("create", name="digits", space=SPACE, direction="maximize", sampler="random", seed=1, n_trials=3)
    assert made["is_new"] and post("create", name="digits", space=SPACE, direction="maximize") == {
        **made,
        "is_new": False,
    }
    for _ in range(3):
        trial = post(f"studies/{made['id']}/ask", worker="gpu-0")
        assert trial["next"] == "run" and 1e-3 <= trial["params"]["x"] <= 1
        assert ("degree" in trial["params"]) == (trial["params"]["kernel"] == "poly")
        at = f"studies/{made['id']}/trials/{trial['number']}"
        assert post(f"{at}/report", step=1, value=0.5)["verdict"] == "continue"
        assert post(f"{at}/tell", values=trial["params"]["x"])["counts"]
    assert post(f"studies/{made['id']}/ask", worker="gpu-0")["next"] == "stop"
    study = load_study(study_name="digits", storage=url)
    assert [trial.value for trial in study.trials] == [trial.params["x"] for trial in study.trials]
    assert [trial.intermediate_values for trial in study.trials] == [{1: 0.5}] * 3


def test_whatever_is_asked_twice_is_done_once(post: Post, url: str):
    study = create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    first = post("studies/1/ask", worker="a")
    assert post("studies/1/ask", worker="a") == first
    assert post("studies/1/ask", worker="b")["number"] == 1
    told = [post("studies/1/trials/0/tell", values=[0.25]) for _ in range(2)]
    assert told == [{"v": 1, "number": 0, "state": "complete", "counts": True}] * 2
    for _ in range(2):
        post("studies/1/trials/1/report", value={"value": 2}, step=0)
    assert "has ended already" in post("studies/1/trials/0/tell", 400, values=0.5)
    assert study.trials[0].value == 0.25 and study.trials[1].intermediate_values == {0: 2.0}


def test_no_more_begin_than_the_study_is_to_have(post: Post):
    study = post("create", name="s", space=SPACE, n_trials=2)["id"]
    assert [post(f"studies/{study}/ask", worker=name)["next"] for name in "abc"] == ["run", "run", "wait"]
    post(f"studies/{study}/trials/0/tell", values=1)
    assert (
        post(f"studies/{study}/ask", worker="a")["next"] == "wait"
    )  # the other one may be lost, and is to be run then
    post(f"studies/{study}/trials/1/tell", values=1)
    assert post(f"studies/{study}/ask", worker="a")["next"] == "stop"


def test_who_makes_a_study_that_is_there_may_ask_for_more(post: Post, url: str):
    study = create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    space = {"x": {"kind": "float", "low": 0, "high": 1}}
    for wanted, total in ((None, None), (2, 2), (1, 2), (3, 3)):
        assert not post("create", name="s", space=space, n_trials=wanted)["is_new"]
        assert study.goal == total
    post("create", 400, name="new", space=space, n_trials=-1)
    assert [s.study_name for s in get_all_study_summaries(url)] == ["s"]


def test_who_asks_stops_at_what_a_worker_was_asked_for(post: Post, url: str):
    study = create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    study.run(Inline().start(lambda x: x, study.space), Limits(trials=2), progress="none", joins=True)
    assert post("studies/1/ask", worker="a")["next"] == "stop"


def test_who_gives_no_name_leaves_no_lease(post: Post, url: str):
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    names = {post("studies/1/ask")["worker"] for _ in range(3)}
    assert len(names) == len(SQLiteStorage(url[len("sqlite:///") :]).leases(1)) == 3
    for number in range(3):
        post(f"studies/1/trials/{number}/tell", values=1)
    assert SQLiteStorage(url[len("sqlite:///") :]).leases(1) == []


def test_a_server_that_is_started_anew_goes_on(post: Post, url: str):
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    trial = post("studies/1/ask", worker="a", lease=1000)
    for again in posting(url):
        again("studies/1/trials/0/judge")
        assert [left > 900 for _, left in SQLiteStorage(url[len("sqlite:///") :]).leases(1)] == [True]
        assert again("studies/1/ask", worker="a", lease=1000) == trial
        assert again("studies/1/trials/0/tell", values=1, attempt=1)["counts"]


def test_who_vanishes_loses_its_trial_to_another_and_may_still_come_in_time(
    post: Post, url: str, monkeypatch: pytest.MonkeyPatch
):
    now = 0.0
    monkeypatch.setattr(presence.time, "monotonic", lambda: now)
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    lost = post("studies/1/ask", worker="a", lease=30)
    for _ in range(3):
        now += 100
        SQLiteStorage(url[len("sqlite:///") :]).renew(1, Worker("a.http", "http", 0, 0.0), -1)
        other = post("studies/1/ask", worker="b")
    assert (other["number"], other["attempt"]) == (1, 1)  # which it had since the first time
    post("studies/1/trials/1/tell", values=1)
    again = post("studies/1/ask", worker="b")
    assert (again["number"], again["attempt"], again["params"]) == (0, 2, lost["params"])
    assert post("studies/1/trials/0/judge", attempt=1)["verdict"] == "stop"
    late = post("studies/1/trials/0/tell", values=3, attempt=1)
    assert late["counts"] and load_study(storage=url).trials[0].value == 3.0
    assert post("studies/1/trials/0/judge", attempt=2)["verdict"] == "stop"


def test_requests_renew_the_lease_where_a_part_of_it_has_passed(post: Post, url: str, monkeypatch: pytest.MonkeyPatch):
    now, asked = 0.0, SQLiteStorage(url[len("sqlite:///") :])
    monkeypatch.setattr(presence.time, "monotonic", lambda: now)
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    post("studies/1/ask", worker="a", lease=40)
    for act, said in (("judge", {}), ("report", {"step": 1, "value": 1}), ("judge", {"attempt": 1})):
        asked.renew(1, Worker("a.http", "http", 0, 0.0), 5)
        now += 9
        post(f"studies/1/trials/0/{act}", **said)
        assert [left < 6 for _, left in asked.leases(1)] == [True]
        now += 2
        post(f"studies/1/trials/0/{act}", **said)
        assert [left > 30 for _, left in asked.leases(1)] == [True]


def test_a_trial_that_falls_behind_is_stopped(post: Post, url: str):
    pruner = MedianScheduler(startup=2, grace=0)
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, pruner=pruner, sampler="random", seed=0)
    for value in (0.0, 0.1, 9.0):
        trial = post("studies/1/ask", worker="a")
        assert trial["may_be_stopped"]
        verdicts = [post(f"studies/1/trials/{trial['number']}/report", step=step, value=value) for step in range(3)]
        state = "pruned" if verdicts[-1]["should_prune"] else None
        post(f"studies/1/trials/{trial['number']}/tell", values=None if state else value, state=state)
    assert [trial.state for trial in load_study(storage=url).trials] == [
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.PRUNED,
    ]


def test_a_budget_is_spent_as_far_as_was_asked(post: Post, url: str):
    made = post("create", name="s", space=SPACE, fidelity={"epochs": [1, 9]}, scheduler="hyperband", seed=0)
    budgets = []
    for _ in range(12):
        trial = post(f"studies/{made['id']}/ask", worker="a")
        budgets.append(trial["budget"]["epochs"])
        told = post(f"studies/{made['id']}/trials/{trial['number']}/tell", values=trial["params"]["x"])
        assert told["state"] == ("complete" if budgets[-1] == 9 else "paused")
    assert len(set(budgets)) > 1


def test_what_is_paused_waits_and_what_is_stopped_stops(post: Post, url: str):
    study = create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    study.pause()
    assert post("studies/1/ask")["next"] == "wait"
    study.unpause()
    assert post("studies/1/ask")["next"] == "run"
    study.stop_workers()
    assert post("studies/1/ask")["next"] == "stop"


def test_a_trial_may_fail(post: Post, url: str):
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    post("studies/1/ask")
    assert post("studies/1/trials/0/tell", state="failed", message="CUDA out of memory")["state"] == "fail"
    post("studies/1/ask")
    assert post("studies/1/trials/1/tell", values="nan")["state"] == "fail"
    failures = [trial.failure.message for trial in load_study(storage=url).trials if trial.failure]
    assert failures[0] == "CUDA out of memory" and "is nan" in failures[1]


@pytest.mark.parametrize(
    ("path", "said", "why"),
    [
        ("studies/1/trials/7/tell", {"values": 1}, "no trial 7"),
        ("studies/9/ask", {}, "no study"),
        ("studies/1/ask", {"worker": "a b"}, "worker's name"),
        ("studies/1/ask", {"lease": 0}, "lease=0"),
        ("studies/1/ask", {"wroker": "a"}, "did you mean 'worker'"),
        ("studies/1/trials/0/tell", {"values": [1, 2]}, "2 values"),
        ("studies/1/trials/0/tell", {"state": "complte"}, "did you mean 'complete'"),
        ("studies/1/trials/0/tell", {}, "needs values"),
        ("studies/1/trials/0/tell", {"values": 1, "attempt": 2}, "no attempt 2"),
        ("studies/1/trials/0/report", {"step": 1, "value": "x"}, "no number"),
        ("studies/1/trials/0/report", {"step": 1, "value": 10**400}, "too large for a float"),
        ("studies/1/trials/0/tell", {"values": [-(10**400)]}, "too large for a float"),
        ("create", {"name": "t", "space": SPACE, "fidelity": {"epochs": [1, 10**400]}}, "fidelity"),
        (
            "storage/studies/1/renew",
            {"id": "a", "host": "\ud800", "pid": 1, "born": 1, "seconds": 1},
            "can be printed",
        ),
        ("storage/studies/1/renew", {"id": "\0", "host": "a", "pid": 1, "born": 1, "seconds": 1}, "can be printed"),
        ("storage/studies/1/release", {"id": "\ud800"}, "can be printed"),
        ("create", {"name": "t", "space": {}}, "at least one parameter"),
        ("create", {"name": "\0", "space": SPACE}, "study_name"),
        ("create", {"name": "t", "space": {"x": {"kind": "flaot"}}}, "kind 'flaot'"),
        ("create", {"name": "t", "space": {"x": {**SPACE["x"], "lgo": True}}}, "'lgo': did you mean"),
        ("create", {"name": "t", "space": {"x": 3}}, "'x' is 3"),
        ("create", {"name": "t", "space": {"x": {"kind": "float", "low": 1}}}, "lacks something"),
        ("create", {"name": "t", "space": SPACE, "sampler": "radnom"}, "did you mean 'random'"),
        ("create", {"name": "s", "space": SPACE}, "of another space"),
        ("create", {"name": "open", "space": SPACE}, "of another space"),
        ("studies/2/ask", {}, "no space"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(post: Post, url: str, path: str, said: dict[str, Any], why: str):
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0)
    create_study(study_name="open", storage=url)
    post("studies/1/ask")
    assert why in post(path, 404 if why.startswith("no trial") or why == "no study" else 400, **said)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["kind", "low", "x"]), each, max_size=3),
    max_leaves=5,
)
PATHS = {"create": ("name", "space", "fidelity", "directions", "seed"), "studies/1/ask": ("worker", "lease")}
PATHS |= {
    f"studies/1/trials/0/{act}": ("values", "value", "step", "state", "attempt", "fold") for act in ("tell", "report")
}
SAID = st.sampled_from(sorted(PATHS)).flatmap(
    lambda path: st.tuples(st.just(path), st.dictionaries(st.sampled_from(PATHS[path]), ANY, max_size=3))
)


def test_whatever_arrives_is_answered_or_refused(url: str):
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, sampler="random", seed=0)
    with client_of(create_app(url, workers=True)) as client:

        @settings(max_examples=150)
        @given(SAID)
        def law(asked: tuple[str, dict[str, Any]]) -> None:
            answer = client.post(f"{API}/work/{asked[0]}", json=asked[1])
            assert answer.status_code in (200, 400, 404), answer.text

        law()
    assert load_study(study_name="s", storage=url).trials is not None  # the log can be read


HELD = {"id": "a", "host": "h", "pid": 1, "born": 1, "seconds": 60}
KEPT = {"position": 1, "version": "v", "data": ""}
EVENTS = {"events": [["noted", None, 0, 1.5, '{"attrs":{"a":1}}']], "token": "t"}
BEYOND = (
    *(("1/renew", {**HELD, "seconds": seconds}, 400) for seconds in (1e308, -1e308, 2.6e6)),
    *(("1/renew", {**HELD, name: text}, 400) for name in ("id", "host") for text in ("", "\0", "\x1b[31m", "w" * 1001)),
    *(("1/release", {"id": text}, 400) for text in ("", "w\0", "\ud800")),
    *(("1/save-snapshot", {**KEPT, "version": text}, 400) for text in ("", "\0", "\ud800")),
    *((f"1/snapshot?version={text}", None, 400) for text in ("%00", "%1b", "v" * 1001)),
    *((f"{study}/append", EVENTS, 404) for study in (2**31, 2**32 + 1, 2**64, 10**30)),
    *((f"{2**64}/{act}", said, 404) for act, said in (("renew", HELD), ("release", {"id": "a"}))),
    *((f"{2**64}/{act}", said, 404) for act, said in (("save-snapshot", KEPT), ("delete", {"token": "u"}))),
    *((f"{2**64}/{what}", None, 404) for what in ("events", "snapshot?version=v", "leases")),
)
"""What no storage of a kind can hold: each is refused, and none says that the storage is away."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_a_storage_cannot_hold_is_not_taken_for_a_storage_that_is_away(
    url: str, kind: str, request: pytest.FixtureRequest
):
    url = url if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0).close()
    app = create_app(url, workers=True)
    with client_of(app) as client:
        for path, said, status in BEYOND:
            method, body = ("GET", None) if said is None else ("POST", json.dumps(said))
            headers = {"Content-Type": "application/json"}
            answer = client.request(method, f"{API}/work/storage/studies/{path}", content=body, headers=headers)
            assert answer.status_code == status, (path, said, answer.text)
        assert client.post(f"{API}/work/storage/studies/1/renew", json=HELD).status_code == 200
    app.work.close()


def test_over_a_database_it_goes_on_through_a_restart_of_that_and_shows_no_password(postgresql_server: Any):
    url = postgresql_server.tcp_url(postgresql_server.create())
    create_study(study_name="s", storage=url, space={"x": Float(0, 1)}, seed=0).close()
    app = create_app(url, workers=True)
    with client_of(app) as client:
        trial = client.post(f"{API}/work/studies/1/ask", json={"worker": "a"}).json()
        postgresql_server.restart()
        told = client.post(f"{API}/work/studies/1/trials/{trial['number']}/tell", json={"values": 0.5})
        assert told.json()["counts"] and PASSWORD not in client.get(f"{API}/server").text
    app.work.close()
    assert load_study(storage=url).trials[0].value == 0.5
