"""What a run is asked for is known to who looks from elsewhere; same runs write the same, and say it once."""

from __future__ import annotations

import kilter
from kilter import replay
from kilter.core.events import ASKED, SYSTEM, Noted, TrialState
from kilter.core.limits import Limits
from kilter.engine.asked import asked, goal, standing, used
from kilter.executors.inline import Inline
from kilter.runtime import steering
from kilter.storage.memory import MemoryStorage

SPACE = {"x": kilter.Float(0, 1)}


def made():
    storage = MemoryStorage()
    study = kilter.create_study(
        storage=storage, study_name="s", space=SPACE, sampler="random", scheduler="fifo", seed=1, direction="maximize"
    )
    return study, replay.read("s", storage)


def square(x):
    return x * x


def run(study, **limits):
    study.run(Inline().start(square, study.space), Limits(**limits), progress="none")


def said(log):
    log.sync()
    return [dict(e.event.attrs[ASKED]) for e in log.storage.read(log.study) if _says(e.event)]


def _says(event):
    return isinstance(event, Noted) and ASKED in event.attrs


def test_a_total_is_noted_once_and_anew_where_it_differs():
    study, log = made()
    run(study, trials=3)
    run(study, trials=3)
    assert said(log) == [{"trials": 3}]
    run(study, trials=5, target=9.0)
    assert said(log)[1:] == [{"trials": 5, "target": 9.0}]
    assert goal(log.replica) == used(log.replica) == 5
    assert study.user_attrs == {}


def test_a_run_that_counts_its_own_trials_asks_for_no_total():
    study, log = made()
    study.optimize(square, n_trials=4, timeout=60, progress="none")
    assert said(log) == [] and study.goal is None and study.standing == "idle"


def test_a_run_without_limits_takes_the_total_back():
    study, log = made()
    run(study, trials=2)
    stop = [lambda history, now: "enough" if len(history.finished) >= 4 else None]
    study.run(Inline().start(square, study.space), Limits(), progress="none", stoppers=stop)
    assert said(log) == [{"trials": 2}, {}] and study.goal is None


def test_who_joins_asks_for_what_nobody_asked_for_and_for_a_larger_total():
    study, log = made()
    for trials, target, total in ((3, 9.0, 3), (2, None, 3), (4, 5.0, 4)):
        study.run(Inline().start(square, study.space), Limits(trials, 60, target=target), progress="none", joins=True)
        assert study.asked == Limits(trials=total, target=9.0)
    assert len(said(log)) == 2 and len(study.trials) == 4


def test_who_joins_without_a_total_ends_at_the_one_that_others_ask_for_meanwhile():
    study, log = made()

    def objective(x):
        if len(study.trials) == 2:
            log.sync()
            steering.note_total(log, 0.0, Limits(trials=4))
        return x

    study.run(Inline().start(objective, study.space), Limits(), progress="none", joins=True)
    assert len(study.trials) == 4 and study.standing == "done"


def test_added_trials_come_on_top():
    study, log = made()
    run(study, trials=2)
    assert study.standing == "done"
    steering.add_budget(log, 0.0, trials=3)
    assert (study.goal, study.standing) == (5, "idle")
    run(study, trials=2)
    assert len(study.trials) == 5 and study.standing == "done"


def test_a_target_that_is_reached_is_done():
    study, log = made()
    run(study, trials=100, target=0.1)
    assert len(study.trials) < 100 and standing(log_of(log), 0) == "done"


def log_of(log):
    log.sync()
    return log.replica


def test_the_word_for_how_a_study_stands():
    study, log = made()
    assert (study.standing, standing(log.replica, 2)) == ("idle", "running")
    study.ask()
    assert (standing(log_of(log), 0), standing(log.replica, 1)) == ("stalled", "running")
    steering.stop(log, 0.0)
    assert standing(log.replica, 0) == "stopped"
    steering.pause(log, 0.0)
    assert standing(log.replica, 2) == study.standing == "paused"
    assert study.trials[0].state is TrialState.RUNNING


def test_a_program_that_ran_before_totals_were_noted_has_one():
    study, log = made()
    study.set_user_attr("run", {"budget": {"trials": 7}})
    assert goal(log_of(log)) == 7
    study.set_user_attr("run", {"budget": {"n_trials": "many"}})
    assert goal(log_of(log)) is None


def test_an_attribute_that_is_something_else_says_nothing():
    study, log = made()
    for strange in (3, "x", {"trials": -1}, {"trials": "7"}, [1], {"trials": None}):
        study.set_system_attr(ASKED.removeprefix(SYSTEM), strange)
        assert asked(log_of(log)) == Limits(), strange
        assert study.goal is None and study.standing == "idle"
