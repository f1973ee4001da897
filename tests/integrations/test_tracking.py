"""The fold that trackers share: what it shows of a study is what the study says of itself."""

from __future__ import annotations

import math
import pickle

import pytest

import kilter
from kilter.core.attributes import DEFAULT
from kilter.core.errors import NotReady, TrialPruned
from kilter.core.events import Dropped, TrialState
from kilter.integrations.tracking import Row, Tracker, text

SPACE = {"x": kilter.Float(0, 1), "layer": kilter.Choice({"wide": (64, 64), "deep": (8, 8, 8)})}


class Shown(Tracker):
    """Keeps what a tracker of another library would write, as plain dicts by trial."""

    def __init__(self):
        super().__init__()
        self.trials, self.study_attrs, self.bests, self.calls = {}, {}, [], []

    def of(self, number):
        return self.trials.setdefault(
            number, {"params": {}, "attrs": {}, "rows": [], "facts": None, "metrics": None, "ends": []}
        )

    def begin(self):
        self.calls.append(("begin", self.study.id))

    def start(self, trial):
        self.calls.append(("start", trial.number))
        self.of(trial.number)["facts"] = trial.facts

    def know(self, trial, params):
        shown = self.of(trial.number)["params"]
        assert params and not shown.keys() & params.keys()  # each is told once
        shown.update(params)

    def report(self, trial, rows):
        self.of(trial.number)["rows"] += rows

    def end(self, trial):
        shown = self.of(trial.number)
        shown["facts"], shown["metrics"] = trial.facts, dict(trial.metrics)
        shown["ends"].append(trial.state)

    def note(self, number, attrs):
        (self.study_attrs if number is None else self.of(number)["attrs"]).update(attrs)

    def best(self):
        return self.bests[-1][1] if self.bests else None

    def improve(self, trial, value):
        self.bests.append((trial.number, value))


def check(study, shown):
    """The law: parameters, metrics, curves, attributes and states are those of the study."""
    assert sorted(shown.trials) == [trial.number for trial in study.trials]
    for trial in study.trials:
        record, told = study.history[trial.number], shown.trials[trial.number]
        assert told["params"] == record.params
        assert told["attrs"] == trial.user_attrs
        assert told["facts"]["state"] == trial.state.name
        if trial.state is not TrialState.FAIL:
            assert told["metrics"] == record.metrics
        points = {(row.step, name, value) for row in told["rows"] for name, value in row.values.items()}
        for report in study.history.reports.of(trial.number):
            if report.fold is None:
                assert {(report.step, *metric) for metric in report.metrics.items()} <= points
    assert shown.study_attrs == study.user_attrs


def test_a_declared_study():
    study, shown = kilter.create_study(space=SPACE, seed=3, sampler="random"), Shown()

    def objective(trial):
        trial.set_user_attr("seen", trial.number)
        for step in range(4):
            trial.report(trial.params["x"] + 1 / (step + 1), step)
            if trial.number == 3 and step == 2:
                raise TrialPruned
        if trial.number == 2:
            raise ValueError("no good")
        return trial.params["x"]

    with study.observed(shown):
        study.enqueue_trial({"x": 0.9}, {"why": [1, 2]})
        study.optimize(objective, n_trials=8, progress="none")
        study.set_user_attr("team", "red")
    check(study, shown)
    assert shown.trials[0]["params"]["layer"] in ("wide", "deep")
    assert shown.trials[2]["facts"]["failure"] == "ValueError: no good"
    final = {number: told["rows"][-1] for number, told in shown.trials.items()}
    assert final[0] == Row(3, {"value": 0.9})  # what no report had, at the last step
    assert final[3] == Row(2, {"value": study.trials[3].value})  # a report, and not told twice
    assert len(shown.trials[3]["rows"]) == 3
    values = [t.value if t.state is TrialState.COMPLETE else math.inf for t in study.trials]
    assert shown.bests == [(i, v) for i, v in enumerate(values) if v < min(values[:i], default=math.inf)]


def test_an_objective_that_suggests_is_shown_with_what_it_took():
    study, shown = kilter.create_study(seed=3, direction="maximize"), Shown()

    def objective(trial):
        high = 10 if trial.number < 3 else 1  # what the sampler proposes of the wider range may not fit
        x = trial.suggest_float("x", 0, high)
        if trial.suggest_categorical("kind", ["plain", "fancy"]) == "fancy":
            x += trial.suggest_int("level", 1, 3)
        return x

    with study.observed(shown):
        study.optimize(objective, n_trials=12, progress="none")
    check(study, shown)
    assert shown.bests[-1] == (study.best_trial.number, study.best_value)


def test_pauses_forks_and_budgets():
    study = kilter.create_study(space=SPACE, seed=1, scheduler="asha", fidelity=kilter.Fidelity("epochs", 1, 9))
    shown = Shown()

    def objective(x, epochs):
        return x + 1 / epochs

    with study.observed(shown):
        study.optimize(objective, n_trials=20, progress="none")
    check(study, shown)
    ends = [told["ends"] for told in shown.trials.values()]
    assert any(e[:1] == [TrialState.PAUSED] and len(e) > 1 for e in ends)
    resumed = next(told for told in shown.trials.values() if told["facts"]["attempt"] != "1")
    assert resumed["facts"]["budget"].startswith('{"epochs": ')
    assert [call for call in shown.calls if call[0] == "start"] != sorted(shown.calls)[1:]


def test_a_paused_trial_that_is_given_up_is_pruned():
    study = kilter.create_study(space=SPACE, seed=1, scheduler="asha", fidelity=kilter.Fidelity("epochs", 1, 9))
    shown = Shown()
    with study.observed(shown):
        study.optimize(lambda x, epochs: x + 1 / epochs, n_trials=6, progress="none")
        paused = next(trial for trial in study.history if trial.state is TrialState.PAUSED)
        study.log.write(Dropped(paused.number, paused.attempt, "enough", 0.0))
    check(study, shown)
    assert shown.trials[paused.number]["ends"][-2:] == [TrialState.PAUSED, TrialState.PRUNED]


def test_folds_are_curves_of_their_own_and_a_confirmation_is_no_best():
    study, shown = kilter.create_study(space=SPACE, seed=1), Shown()

    def objective(trial):
        for fold in range(2):
            trial.report({"value": trial.params["x"], "time": 1.0}, step=0, fold=fold)
        return {"value": trial.params["x"], "time": 1.0}

    with study.observed(shown):
        study.optimize(objective, n_trials=2, progress="none")
        study.enqueue_trial({"x": 1e-3}, judged=False)
        study.optimize(objective, n_trials=1, progress="none")
        study.enqueue_trial({"x": 0.0}, {DEFAULT: True}, judged=False)
        study.optimize(objective, n_trials=1, progress="none")
    assert shown.trials[0]["rows"][:2] == [
        Row(0, {f"{name}/fold-{fold}": v for name, v in (("value", study.trials[0].value), ("time", 1.0))})
        for fold in range(2)
    ]
    assert study.trials[2].value == 1e-3 and 2 not in dict(shown.bests)
    assert 3 in dict(shown.bests), "the default is one of the search, whatever schedulers may do"


def test_constraints_and_several_objectives():
    study, shown = kilter.create_study(space=SPACE, seed=1, subject_to={"size": "<= 0.5"}), Shown()
    with study.observed(shown):
        study.optimize(lambda x: {"value": x, "size": 1 - x}, n_trials=9, progress="none")
    assert shown.bests[-1] == (study.best_trial.number, study.best_value)
    study, shown = kilter.create_study(space=SPACE, seed=1, directions=["minimize", "maximize"]), Shown()
    with study.observed(shown):
        study.optimize(lambda x: (x, x), n_trials=3, progress="none")
    check(study, shown)
    assert shown.bests == []


def test_a_trial_begun_before_and_a_study_that_goes_on(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    study, first, second = kilter.create_study(space=SPACE, seed=1, storage=url, study_name="s"), Shown(), Shown()
    trial = study.ask()
    with study.observed(first):
        study.tell(trial, 1.0)
    assert first.trials[0]["metrics"] == {"value": 1.0} and first.trials[0]["facts"]["state"] == "COMPLETE"
    with kilter.load_study(storage=url).observed(second):
        pass
    assert second.calls == first.calls[:1]  # the same study, the same identity
    with kilter.create_study(study_name="s", seed=1).observed(third := Shown()):
        pass
    assert third.calls != second.calls  # another study of the same name is another one


def test_a_tracker_knows_the_study_while_it_observes_one(monkeypatch):
    study, shown = kilter.create_study(space=SPACE, seed=1, study_name="s", sampler="tpe"), Shown()
    with study.observed(shown):
        facts = shown.study.facts  # in another thread than the tracker's, and perhaps before it
        copy = pickle.loads(pickle.dumps(shown))
    assert facts == {
        "study": "s",
        "directions": '{"value": "minimize"}',
        "sampler": "tpe",
        "scheduler": study.log.read(0, 1)[0].event.scheduler["name"],
        "seed": "1",
    }
    assert copy.study.facts == facts and copy.calls == []
    monkeypatch.setattr("kilter.integrations.tracking.HELLO", 0.0)
    with pytest.raises(NotReady, match="Shown is told of no study"):
        str(shown.study)


def test_nobody_waits_for_a_tracker_that_has_failed():
    class Failing(Shown):
        def start(self, trial):
            raise OSError("the server is away")

    shown = Failing()

    def wanting(x):
        return shown.awaited(lambda: None, 600, "has nothing")

    study = kilter.create_study(space=SPACE, seed=1)
    with study.observed(shown):
        study.optimize(wanting, n_trials=1, progress="none")
    assert study.history[0].failure.message == "Failing has failed"


def test_interrupted_trials_wait_and_are_shown_to_the_end():
    study, shown = kilter.create_study(space=SPACE, seed=1), Shown()
    session = study._session
    with study.observed(shown):
        trial = study.ask()
        session.interrupt(trial.number, "the power went")
        study.optimize(lambda x: x, n_trials=2, progress="none")
    check(study, shown)
    assert shown.trials[0]["ends"] == [TrialState.WAITING, TrialState.COMPLETE]
    assert shown.trials[0]["facts"]["attempt"] == "2" and shown.trials[0]["facts"]["failure"] == ""


def test_a_trial_that_is_lost_too_often_has_failed():
    def objective(x, layer):
        raise KeyboardInterrupt  # which nobody asked for

    study, shown = kilter.create_study(space=SPACE, seed=0), Shown()
    with study.observed(shown):
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                study.optimize(objective, n_trials=1, progress="none")
    assert shown.trials[0]["ends"] == [TrialState.WAITING, TrialState.WAITING, TrialState.FAIL]
    check(study, shown)


@pytest.mark.parametrize(("value", "shown"), [("a", "a"), (1.5, "1.5"), (None, "null"), ({"b": [1]}, '{"b": [1]}')])
def test_attributes_as_text(value, shown):
    assert text(value) == shown
