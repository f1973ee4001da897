"""A log that is damaged says where and what to do, and no run goes round in circles over it."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from click.testing import CliRunner

import kilter
from kilter import Float, TrialState
from kilter.api import check_study
from kilter.cli import main
from kilter.core.errors import InvalidInput, KilterError, LogDamaged, StorageError, StorageGone
from kilter.core.events import Enqueued, Started
from kilter.core.interfaces import Worker
from kilter.core.limits import Limits
from kilter.executors.command import Command
from kilter.runtime.leases import this_host

DB = "studies.db"
OPTIONS = {"study_name": "f", "storage": f"sqlite:///{DB}"}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def a_study(n=12, **more):
    """Trials with a report each, one after the other; the log is created, then started and ended of each trial."""
    study = kilter.create_study(**OPTIONS, space={"x": Float(0, 1)}, sampler="random", seed=0, **more)
    for _ in range(n):
        trial = study.ask()
        trial.report(trial.params["x"], 1)
        study.tell(trial, trial.params["x"])
    return study


def a_closed_study(n=12):
    """One whose lease is given back; its trials."""
    study = a_study(n)
    trials = study.trials
    study.close()
    return trials


def sql(statement, *values):
    connection = sqlite3.connect(DB)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def load():
    return kilter.load_study(**OPTIONS)


BODY = "UPDATE event SET body = ? WHERE position = 10"  # of trial 4, started


@pytest.mark.parametrize(
    ("statement", "values", "said"),
    [
        (
            BODY,
            ["{nonsense"],
            r"position 10 \(trial 4, started\): it cannot be read: its body is not what kilter writes",
        ),
        (BODY, ['{"params":' + "[" * 100_000], r"position 10 \(trial 4, started\): it cannot be read: "),
        (BODY, [b"\xff\xfe"], r"position 10 \(trial 4, started\): it cannot be read"),
        (
            BODY.replace("?", "CAST(? AS TEXT)"),
            [b"\xff\xfe"],
            r"position 10 \(trial 4, garbled",
        ),
        (
            "UPDATE event SET kind = 'startled' WHERE position = 10",
            [],
            r"position 10 \(trial 4, startled\): .* no kind of",
        ),
        ("UPDATE event SET number = -5 WHERE position = 10", [], r"position 10 \(trial -5, started\): the study has 4"),
        ("UPDATE event SET number = 'x' WHERE position = 10", [], r"position 10 \(trial x, started\): it cannot be"),
        ("UPDATE event SET attempt = 'x' WHERE position = 10", [], r"position 10 \(trial 4, started\): it cannot be"),
        ("UPDATE event SET time = 'x' WHERE position = 10", [], r"position 10 \(trial 4, started\): it cannot be"),
        ("DELETE FROM event WHERE position = 10", [], r"position 11 \(trial 4, ended\): it follows position 9"),
        ("DELETE FROM event WHERE position = 1", [], r"position 1 \(the study, "),
        ("UPDATE event SET body = '{}' WHERE position = 1", [], r"position 1 \(the study, created\)"),
        ("UPDATE event SET kind = 'noted' WHERE position = 1", [], r"position 1 \(the study, noted\)"),
    ],
)
def test_a_damaged_row_is_named_with_its_trial_and_the_remedy(statement, values, said):
    a_study()
    sql("DELETE FROM snapshot")
    sql(statement, *values)
    with pytest.raises(LogDamaged, match=rf"^the log of 'f' cannot be read on at {said}") as raised:
        load()
    assert "`kilter check f --storage sqlite:////" in str(raised.value)
    assert str(raised.value).endswith(f"{DB} --repair` saves all that is whole")


def test_steps_that_early_versions_wrote_are_left_out():
    study = a_study(2)
    best = study.best_value
    sql("UPDATE event SET body = replace(body, '\"steps\":[1]', '\"steps\":[9223372036854775808]') WHERE number = 1")
    sql("DELETE FROM snapshot")
    assert load().best_value == best
    assert [trial.reports.keys() for trial in load().trials] == [{1}, set()]


def test_a_snapshot_of_a_log_that_cannot_be_read_on_is_not_taken():
    study = a_study()
    sql("DELETE FROM snapshot")
    other = load()
    sql("INSERT INTO event SELECT study, 26, 'started', 99, 1, 0, 99, time, body FROM event WHERE position = 24")
    with pytest.raises(LogDamaged, match="position 26 "):
        other.optimize(lambda x: x, 1, progress="none")
    assert sqlite3.connect(DB).execute("SELECT count(*) FROM snapshot").fetchall() == [(0,)]
    with pytest.raises(LogDamaged, match="position 26 "):
        study.trials  # it reads


class Refusing:
    """A storage that refuses each start, as one with rows that nobody can see would."""

    def __init__(self, storage):
        self._storage = storage

    def __getattr__(self, name):
        return getattr(self._storage, name)

    def append(self, study, events, after=0, limit=None, distinct=False):
        refused = [event for event in events if isinstance(event, (Started, Enqueued))]
        written = self._storage.append(
            study, [event for event in events if event not in refused], after, limit, distinct
        )
        return type(written)(written.entries, refused)


def test_starts_that_are_refused_for_ever_end_the_run():
    study = a_study(2)
    study._session.storage = Refusing(study._session.storage)
    for act in (
        lambda: study.optimize(lambda x: x, 1, progress="none"),
        lambda: study.add_trial(kilter.create_trial(params={"x": 0.5}, value=1.0)),
        study.ask,
    ):
        with pytest.raises(StorageError, match="the start of trial 2 of 'f' was refused, though nobody"):
            act()


@pytest.mark.parametrize(
    "trial",
    [
        {"intermediate_values": {2**63: 1.0}},
        {"intermediate_values": {1.5: 1.0}},
        {"intermediate_values": {float("inf"): 1.0}},
        {"intermediate_values": {1: 10**400}},
        {"intermediate_values": {1: 1j}},
        {"intermediate_values": {1: None}},
        {"state": TrialState.PRUNED, "value": "x"},
        {"user_attrs": {"a": {1, 2}}},
        {"user_attrs": {"a": 10**400}},
        {"value": 1 + 1j},
        {"value": 10**400},
    ],
)
def test_a_trial_from_elsewhere_that_does_not_fit_leaves_no_trace(trial):
    study = a_study(1)
    with pytest.raises(InvalidInput):
        study.add_trial(kilter.create_trial(**{"params": {"x": 0.5}, "value": 1.0, **trial}))
    study.add_trial(kilter.create_trial(params={"x": 0.5}, value=1.0, intermediate_values={2**63 - 1: 1.0, 3: 2.0}))
    study.add_trial(kilter.create_trial(params={"x": 0.5}, value=1.0, state=TrialState.PRUNED))
    assert [t.state for t in load().trials] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED]
    assert load().trials[1].intermediate_values == {2**63 - 1: 1.0, 3: 2.0}


@pytest.mark.parametrize(
    "line",
    [
        '{{"step": 1e30, "value": 1}}',
        '{{"step": 9223372036854775808, "value": 1}}',
        '{{"step": Infinity, "value": 1}}',
        '{{"step": NaN, "value": 1}}',
        '{{"step": -1, "value": 1}}',
        '{{"step": true, "value": 1}}',
        '{{"step": [1], "value": 1}}',
        '{{"step": ' + "9" * 401 + ', "value": 1}}',
        '{{"other": ' + "9" * 401 + "}}",
        '{{"value": ' + "9" * 401 + "}}",
        '{{"other": ' + "9" * 5_000 + "}}",
        '{{"deep": ' + "[" * 20_000 + "]" * 20_000 + "}}",
        '{{"deep": ' + '{{"a":' * 20_000 + "1" + "}}" * 20_000 + "}}",
    ],
)
def test_a_line_that_makes_no_sense_is_a_line_of_the_programs_log(line):
    study = kilter.create_study(**OPTIONS, space={"x": Float(0, 1)}, sampler="random")
    program = Command().start(["sh", "-c", 'echo "$0"; echo "$1"', line, '{{"step": 3, "value": 0.5}}'])
    study.run(program, Limits(trials=1), progress="none")
    for seen in (study, load()):
        (trial,) = seen.trials
        assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.COMPLETE, 0.5, {3: 0.5}), (
            trial.failure
        )


@pytest.mark.parametrize("value", [1 + 1j, 10**400, float("nan"), "x", [1.0, 2.0], object()])
@pytest.mark.parametrize("where", ["returned", "reported", "an attribute"])
def test_what_an_objective_gives_fails_its_trial_and_nothing_else(value, where):
    study = kilter.create_study(**OPTIONS, space={"x": Float(0, 1)}, sampler="random")

    def objective(trial):
        if where == "reported":
            trial.report(value, 1)
        if where == "an attribute":
            trial.set_user_attr("a", value)
        return value if where == "returned" else 1.0

    with suppress(InvalidInput):  # a wrong use of kilter ends the run
        study.optimize(objective, 1, progress="none")
    (trial,) = load().trials
    assert trial.state in (TrialState.FAIL, TrialState.COMPLETE)
    assert trial.failure is None or trial.failure.kind in ("return", "nan", "misuse")


def test_a_run_ends_where_its_file_is_gone():
    """Not with a success of which nothing is on the disk."""

    def objective(x):
        if len(study.history) == 4:
            os.rename(DB, "moved.db")
        return x

    study = kilter.create_study(**OPTIONS, space={"x": Float(0, 1)}, sampler="random")
    with pytest.raises(StorageGone, match="the run ends here") as raised:
        study.optimize(objective, 50, progress="none")
    assert not isinstance(raised.value.__context__, StorageError | OSError)  # nothing that failed afterwards hides it
    saved = kilter.load_study(study_name="f", storage=f"sqlite:///{DB}.saved-{os.getpid()}")
    assert [trial.state for trial in saved.trials] == [TrialState.COMPLETE] * 3 + [TrialState.RUNNING]
    with pytest.raises(StorageError, match="put the two beside each other again"):
        kilter.create_study(**OPTIONS)


def test_a_long_trial_is_broken_off_where_the_file_is_gone():
    def objective(trial):
        if trial.number == 0:
            os.remove(DB)
        while not trial.should_prune():
            time.sleep(0.01)

    study = kilter.create_study(**OPTIONS, space={"x": Float(0, 1)}, sampler="random", scheduler="asha", lease=0.2)
    with pytest.raises(StorageGone, match="the run ends here"):
        study.optimize(objective, 2, n_jobs=2, progress="none")


def test_the_leases_of_workers_that_vanished_go():
    study = a_study(1)
    storage = study._session.storage
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = Worker("gone", this_host(), ended.pid, 1.0)
    elsewhere = Worker("elsewhere", "another-host", 1, 1.0)
    for worker in (gone, elsewhere):
        storage.renew(1, worker, 60.0)
    study.ask()
    study.recover()
    assert {worker.id for worker, _ in storage.leases(1)} == {"elsewhere", study._session.presence.worker.id}
    study.close()


def test_errors_of_a_damaged_log_are_kilters():
    assert issubclass(LogDamaged, StorageError) and issubclass(StorageError, KilterError)


# What a repair saves.

DAMAGE = [
    (BODY, ["{nonsense"]),
    (BODY.replace("?", "CAST(? AS TEXT)"), [b"\xff\xfe"]),
    ("UPDATE event SET kind = 'sorted' WHERE position = 10", []),
    ("UPDATE event SET number = -5 WHERE position = 10", []),
    ("UPDATE event SET number = CAST(? AS TEXT) WHERE position = 10", [b"\xff"]),
    ("DELETE FROM event WHERE position = 10", []),
    ("DELETE FROM event WHERE position BETWEEN 10 AND 11", []),
]


@pytest.mark.parametrize(("statement", "values"), DAMAGE)
def test_a_repaired_study_has_all_that_is_whole_and_goes_on(statement, values):
    whole = {trial.number: (trial.params, trial.value, trial.reports) for trial in a_closed_study()}
    sql("DELETE FROM snapshot")
    sql(statement, *values)
    found = check_study(study_name="f", storage=OPTIONS["storage"])
    assert found.lost and found.copy is None
    with pytest.raises(LogDamaged):
        load()
    found = check_study(study_name="f", storage=OPTIONS["storage"], repair=True)
    study = load()
    assert found.waiting == [4] and study.trials[4].state is TrialState.WAITING
    assert {t.number: (t.params, t.value, t.reports) for t in study.trials if t.number != 4} == {
        number: trial for number, trial in whole.items() if number != 4
    }
    study.optimize(lambda x: x, limits=Limits(trials=12), progress="none")
    assert [trial.state for trial in load().trials] == [TrialState.COMPLETE] * 12
    assert check_study(study_name="f", storage=OPTIONS["storage"]).lost == []
    with pytest.raises(LogDamaged):  # the file as it was
        kilter.load_study(study_name="f", storage=f"sqlite:///{found.copy}")


def test_steps_of_early_versions_are_whole():
    a_study(2)
    sql("UPDATE event SET body = replace(body, '\"steps\":[1]', '\"steps\":[9223372036854775808]') WHERE number = 1")
    assert not check_study(study_name="f", storage=OPTIONS["storage"]).lost


def test_nothing_is_repaired_under_a_worker_and_it_is_said_whom_to_end():
    study = a_study()  # which keeps its lease a while after its last trial
    sql("UPDATE event SET kind = 'sorted' WHERE position = 10")
    with pytest.raises(StorageError, match=rf"process {os.getpid()} on .* is at work on 'f'.*Ctrl-C.*close\(\)"):
        check_study(study_name="f", storage=OPTIONS["storage"], repair=True)
    assert not [name for name in os.listdir() if ".bak-" in name]
    study.close()
    check_study(study_name="f", storage=OPTIONS["storage"], repair=True)


def test_a_study_whose_first_event_is_lost_says_so():
    a_study()
    sql("UPDATE event SET body = '{}' WHERE position = 1")
    with pytest.raises(LogDamaged, match="position 1"):
        check_study(study_name="f", storage=OPTIONS["storage"], repair=True)


def test_the_verb_says_what_is_lost_in_plain_words():
    def kilter_check(*words):
        result = CliRunner().invoke(main, ["check", "f", "--storage", OPTIONS["storage"], *words])
        return result.exit_code, result.stdout + result.stderr

    a_closed_study()
    assert kilter_check() == (0, "the log of 'f' is whole: 25 events\n")
    sql("UPDATE event SET kind = 'sorted' WHERE position = 10")
    code, said = kilter_check()
    assert code == 5
    first, sorted_, ended, again, unchanged = said.splitlines()
    assert first == "the log of 'f' is damaged: 24 events can be saved, this is lost:"
    assert sorted_.startswith("  position 10 (trial 4, sorted): it cannot be read: there is no kind of event")
    assert ended == "  position 11 (trial 4, ended): the start of its trial is lost"
    assert again == "to be run again, since nobody knows what they were: trial 4"
    path = os.path.abspath(OPTIONS["storage"].removeprefix("sqlite:///"))
    assert unchanged == f"nothing was changed: kilter check f --repair --storage sqlite:///{path} saves what is whole"
    code, said = kilter_check("--repair")
    assert code == 0 and re.search(r"repaired; what was there is kept in .*studies\.db\.bak-\d{8}-\d{6}$", said)
    assert kilter_check()[0] == 0
