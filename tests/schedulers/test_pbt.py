import math
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kilter
from kilter import plugins
from kilter.core.actions import Fork, Start, Wait
from kilter.core.errors import InvalidInput, StudyAborted, UnknownName
from kilter.core.events import LOST, Ended, Failure, Report, TrialState
from kilter.core.interfaces import Outcome, Progress
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.core.standing import Standing
from kilter.core.states import dumps_state, loads_state
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.schedulers.pbt import PBTScheduler, perturbed
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.strategies import configs, spaces

COMPLETE, PRUNED, FAIL, PAUSED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.PAUSED


class TestPBT(SchedulerSuite):
    exhausts = True

    def scheduler(self):
        return PBTScheduler()


# Exploration.


@given(data=st.data(), resample=st.sampled_from([0.0, 0.3, 1.0]), factor=st.sampled_from([0.5, 0.8, 1.2, 3.0]))
@settings(max_examples=30, suppress_health_check=[HealthCheck.filter_too_much])
def test_an_explored_configuration_is_legal_and_keeps_what_must_not_change(data, resample, factor):
    space = data.draw(spaces())
    try:
        config = data.draw(configs(space))
    except InvalidInput:
        return  # all is forbidden
    mutable = data.draw(st.none() | st.lists(st.sampled_from(space.names), unique=True)) if space.names else None
    explored = perturbed(config, space, rng(1, "test"), resample, [factor], mutable)
    assert space.is_legal(explored)
    if mutable is not None:
        moved = {name.partition(".")[0] for name in mutable}  # parts of one compound may have to move together
        kept = [name for name in config if name in explored and name.partition(".")[0] not in moved]
        assert [explored[name] for name in kept] == [config[name] for name in kept]
        if not mutable:
            assert explored == config


@pytest.mark.parametrize(
    ("parameter", "plain", "factor", "moved"),
    [
        (Float(1e-4, 1.0, log=True), 0.1, 0.8, 0.08),
        (Float(1e-4, 1.0, log=True), 0.9, 1.2, 1.0),
        (Float(0, 1), 0.5, 1.2, 0.6),
        (Float(0, 1), 0.9, 1.2, 1.0),
        (Float(-1, 1), 0.0, 1.2, 0.2),
        (Float(-4, 0), -2.0, 1.2, -2.4),
        (Float(0, 1, step=0.25), 0.5, 1.2, 0.75),
        (Float(0, 1, step=0.25), 0.5, 0.8, 0.25),
        (Int(1, 100), 50, 0.8, 40),
        (Int(1, 8), 2, 1.2, 3),
        (Int(1, 8), 1, 0.8, 1),
        (Int(16, 512, log=True), 64, 1.2, 77),
        (Int(0, 9, step=4), 4, 1.2, 8),
        (Int(0, 9, step=4), 8, 1.2, 8),
        (Ordinal([16, 32, 64]), 32, 1.2, 64),
        (Ordinal([16, 32, 64]), 16, 0.8, 16),
        (Choice(["a", "b"]), "a", 1.2, "a"),
        (Boolean(), True, 0.8, True),
    ],
)
def test_a_number_is_scaled_in_its_own_scale_and_within_its_grid(parameter, plain, factor, moved):
    explored = perturbed({"x": plain}, Space({"x": parameter}), rng(0, "test"), 0.0, [factor])
    assert explored == {"x": pytest.approx(moved)}
    assert type(explored["x"]) is type(parameter.plain(moved))


def test_children_of_a_changed_option_are_drawn_and_others_dropped():
    space = Space({"kind": Choice({"a": {"x": Float(0, 1)}, "b": {"y": Int(1, 9)}})})
    explored = [perturbed({"kind": "a", "x": 0.3}, space, rng(i, "test"), 1.0, [1.2]) for i in range(20)]
    assert all(map(space.is_legal, explored))
    assert {config["kind"] for config in explored} == {"a", "b"}


def test_a_forbidden_neighbourhood_keeps_the_configuration():
    space = Space({"x": Choice([1, 2]), "y": Choice([1, 2])}, forbidden=[{"x": 1, "y": 2}, {"x": 2}])
    assert perturbed({"x": 1, "y": 1}, space, rng(0, "test"), 1.0, [1.2]) == {"x": 1, "y": 1}


def test_what_the_space_does_not_know_is_kept():
    assert perturbed({"lr": 0.1, "old": 3}, Space({"lr": Float(0, 1)}), rng(0, "test"), 0.0, [0.5])["old"] == 3


# Settings.


@pytest.mark.parametrize(
    "wrong",
    [
        {"population": 1},
        {"interval": 0},
        {"last_step": 0},
        {"quantile": 0.0},
        {"quantile": 0.6},
        {"resample": 1.5},
        {"perturb": ()},
        {"perturb": (0.0, 1.2)},
        {"mutable": "lr"},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        PBTScheduler(**wrong)


def test_an_unknown_mutable_parameter_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="lr"):
        PBTScheduler(mutable=["rl"]).start(Problem(Space({"lr": Float(0, 1)})), 0)


def test_settings_survive_the_log():
    scheduler = PBTScheduler(population=4, mutable=["x"], perturb=[0.5, 2.0])
    assert plugins.from_spec("scheduler", plugins.spec("scheduler", scheduler)) == scheduler


# Decisions in virtual time. An objective knows nothing of checkpoints there: a copy trains from the beginning.

SPACE = {"x": Float(0.01, 1, log=True), "kind": Choice({"a": {}, "b": {"depth": Int(1, 9)}})}
SETTINGS = {"population": 7, "interval": 4, "last_step": 20, "quantile": 0.3}


def curve(params, step):
    return abs(math.log(params["x"]) + 0.1 * step) + 0.05 * params.get("depth", 0)


def steps(seed):
    """An objective that takes a time of its own for each step."""

    def train(params):
        stream = np.random.default_rng([seed, int(1e9 * params["x"])])
        for step in range(1, 21):
            yield step, curve(params, step), float(stream.exponential())

    return train


def new_study(clock, scheduler=None, **more):
    return kilter.create_study(
        space=SPACE, sampler="random", seed=3, scheduler=scheduler or PBTScheduler(**SETTINGS), clock=clock, **more
    )


def ran(slots, seed=0, **more):
    clock = VirtualClock()
    study = new_study(clock, **more)
    study.optimize(steps(seed), executor=Simulated(slots, clock), progress="none")
    return study


def decisions(study):
    """What became of each configuration, and what it was copied from, whatever the numbers of the trials."""
    trials = study.trials
    return Counter(
        (repr(t.params), t.state, None if t.parent is None else repr(trials[t.parent].params), t.value) for t in trials
    )


@given(seed=st.integers(0, 10**6), slots=st.integers(2, 9))
@settings(max_examples=10)
def test_decisions_do_not_depend_on_workers_and_their_speed(seed, slots):
    assert decisions(ran(slots, seed)) == decisions(ran(1))


def test_a_member_that_is_sure_to_be_in_the_middle_does_not_wait_for_the_slowest():
    def train(params):
        for step in range(1, 21):
            yield step, curve(params, step), 100.0 if params["x"] == slowest else 1.0

    slowest = max(t.params["x"] for t in ran(1).trials[:7])
    clock = VirtualClock()
    study = new_study(clock)
    study.optimize(train, executor=Simulated(7, clock), progress="none")
    assert decisions(study) == decisions(ran(1))
    log = [entry.event for entry in study.log.read()]
    resumed = min(event.time for event in log if getattr(event, "attempt", 0) == 2)
    assert resumed < 400  # when the slowest came to the first milestone


def test_the_worst_become_copies_of_the_best():
    study = ran(3)
    history = study.history
    at_milestone = {t.number: curve(t.params, 4) for t in study.trials[:7]}
    order = sorted(at_milestone, key=at_milestone.get)
    copies = study.trials[7:9]
    assert {t.parent for t in copies} <= set(order[:2])
    assert [study.trials[number].state for number in order[-2:]] == [PRUNED, PRUNED]
    assert [study.trials[number].last_step for number in order[-2:]] == [4, 4]
    assert all(history.problem.space.is_legal(t.params) for t in history)
    assert Counter(t.state for t in study.trials) == {COMPLETE: 7, PRUNED: 2 * 4}
    assert len(history.paused) == 0


def test_state_survives_the_codec_and_stays_small():
    study = ran(3, scheduler=PBTScheduler(population=7, interval=1, last_step=20))
    state = study._session.engine.scheduler_state
    assert loads_state(type(state), dumps_state(state)) == state
    assert state.standings == {}
    assert len(state.slots) == 7


def test_the_first_report_at_a_milestone_is_the_score():
    study = new_study(VirtualClock())
    study._session.begin()
    for reports in ([(3, 7.0)], [(4, 1.0), (5, 9.0)], [(4, 8.0)]):
        told = tuple(Report(step, {"value": value}) for step, value in reports)
        study._session.progress(Progress(0, 1, told))
    assert study._session.engine.scheduler_state.members[0].standing == Standing(0.0, (1.0,))


def test_nobody_waits_for_a_member_that_is_done():
    def train(params):
        is_short = params["x"] == short
        for step in range(1, 7 if is_short else 21):
            yield step, curve(params, step), 50.0 if is_short and step > 4 else 1.0

    short = sorted(t.params["x"] for t in ran(1).trials[:7])[3]
    study = new_study(clock := VirtualClock())
    study.optimize(train, executor=Simulated(7, clock), progress="none")
    assert any(t.state is COMPLETE and t.last_step == 6 for t in study.trials)
    assert sum(t.state is COMPLETE for t in study.trials) == 7
    assert not study.history.paused


def test_equals_are_left_alone():
    clock = VirtualClock()
    study = new_study(clock)
    study.optimize(lambda _: ((s, 1.0, 1.0) for s in range(1, 21)), executor=Simulated(3, clock), progress="none")
    assert [t.state for t in study.trials] == [COMPLETE] * 7


def test_nan_is_the_worst_and_nobody_copies_it():
    def train(params):
        for step in range(1, 21):
            yield step, math.nan if params["x"] > 0.2 else curve(params, step), 1.0

    clock = VirtualClock()
    study = new_study(clock)
    study.optimize(train, executor=Simulated(3, clock), progress="none")
    assert any(t.params["x"] > 0.2 for t in study.trials[:7])
    copies = [(t, study.trials[t.parent]) for t in study.trials if t.parent is not None]
    assert all(parent.params["x"] <= 0.2 for copy, parent in copies if parent.state is not FAIL)
    assert all(copy.params == parent.params for copy, parent in copies if parent.state is FAIL)  # nan as a result


def test_where_all_is_nan_everybody_goes_on():
    clock = VirtualClock()
    study = new_study(clock)

    def train(_):
        for step in range(1, 21):
            yield step, math.nan if step < 20 else 1.0, 1.0

    study.optimize(train, executor=Simulated(3, clock), progress="none")
    assert [t.state for t in study.trials] == [COMPLETE] * 7


def test_several_objectives_are_compared_by_fronts():
    def train(params):
        for step in range(1, 21):
            yield step, {"loss": curve(params, step), "size": params["x"]}, 1.0

    clock = VirtualClock()
    study = new_study(clock, directions={"loss": "minimize", "size": "minimize"})
    study.optimize(train, executor=Simulated(3, clock), progress="none")
    forks = [t for t in study.history if t.parent is not None]
    founders = study.history.trials[:7]
    first = [t for t in forks if t.parent < 7][:2]
    for copy in first:
        mine = np.array([curve(founders[copy.parent].params, 4), founders[copy.parent].params["x"]])
        others = [np.array([curve(t.params, 4), t.params["x"]]) for t in founders]
        assert not any((other <= mine).all() and (other < mine).any() for other in others)
    assert sum(t.state is COMPLETE for t in study.history) == 7


def test_what_breaks_a_constraint_is_behind_what_does_not():
    def train(params):
        for step in range(1, 21):
            yield step, {"loss": curve(params, step), "size": params["x"]}, 1.0

    clock = VirtualClock()
    study = new_study(clock, directions={"loss": "minimize"}, subject_to={"size": "<= 0.1"})
    study.optimize(train, executor=Simulated(3, clock), progress="none")
    assert any(t.params["x"] <= 0.1 for t in study.trials[:7])
    assert all(study.trials[t.parent].params["x"] <= 0.1 for t in study.trials if t.parent is not None)


# Kills.


def drive(study, clock, slots, messages, seed=0):
    """Run a study by hand until so many messages have come, then vanish without a word; whether it ended before."""
    session, executor, running = study._session, Simulated(slots, clock).start(steps(seed)), set()
    while True:
        while len(running) < slots:
            trial = session.begin()
            if trial is None or isinstance(trial, Wait):
                break
            running.add(trial.number)
            executor.submit(session.task(trial))
        if not running:
            return True
        for message in executor.wait(None):
            if not messages:
                return False
            messages -= 1
            if isinstance(message, Outcome):
                running.discard(message.number)
                session.end(message)
            else:
                session.progress(message)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("every", [9, 40])
def test_a_study_killed_again_and_again_decides_as_one_that_was_not(tmp_path, slots, every):
    url, clock = f"sqlite:///{tmp_path / 'k.db'}", VirtualClock()
    study = new_study(clock, storage=url, study_name="s", lease=None)
    kills = 0
    while not drive(study, clock, slots, every + kills):
        kills += 1
        study._session.storage.close()
        study = kilter.load_study(storage=url, study_name="s", clock=clock, lease=None)
        for trial in list(study.history.running.values()):
            if trial.losses < 2:  # as recovery does; a third loss would fail the trial
                failure = Failure(LOST, "its worker vanished")
            else:
                failure = Failure("interrupted")
            study.log.write(Ended(trial.number, trial.attempt, FAIL, {}, clock(), failure=failure))
    assert kills > 2
    assert decisions(study) == decisions(ran(slots))


def test_a_replica_that_reads_the_log_answers_the_same_at_every_place(tmp_path):
    study = ran(4)
    entries = study.log.read()
    one, other = new_study(VirtualClock())._session.engine, new_study(VirtualClock())._session.engine
    for entry in entries[1:]:
        other.scheduler_state = loads_state(type(other.scheduler_state), dumps_state(other.scheduler_state))
        one.handle([entry])
        other.handle([entry])
        before = dumps_state(one.scheduler_state)
        assert one.plan() == other.plan()
        assert [one.judge(number) for number in one.history.running] == [
            other.judge(number) for number in one.history.running
        ]
        assert dumps_state(one.scheduler_state) == before == dumps_state(other.scheduler_state)


# Real checkpoints.


def training(trial, last=12, fails=lambda trial, step: None):
    """Trains by adding up its parameter; the state tells which trial did which step."""
    state = trial.load() or {"step": 0, "sum": 0.0, "by": []}
    for step in range(state["step"] + 1, last + 1):
        fails(trial, step)
        state = {"step": step, "sum": state["sum"] + trial.params["x"], "by": [*state["by"], trial.number]}
        trial.save(state)
        trial.report(state["sum"], step)
        if trial.should_prune():
            raise kilter.TrialPruned
    trial.set_user_attr("by", state["by"])
    return state["sum"]


def trained(scheduler, objective=training, space=None):
    space = space or {"x": Float(0.1, 1.0)}
    study = kilter.create_study(space=space, sampler="random", seed=1, scheduler=scheduler, direction="maximize")
    study.optimize(objective, progress="none")
    return study


def test_a_copy_goes_on_from_its_parents_checkpoint():
    study = trained(PBTScheduler(population=4, interval=3, last_step=12))
    complete = study.get_trials(states=[COMPLETE])
    assert len(complete) == 4
    for trial in complete:
        by = trial.user_attrs["by"]
        assert len(by) == 12
        assert trial.value == pytest.approx(sum(study.trials[number].params["x"] for number in by))
        lineage = [trial.number]
        while study.trials[lineage[0]].parent is not None:
            lineage.insert(0, study.trials[lineage[0]].parent)
        assert list(dict.fromkeys(by)) == lineage
    assert max(len(set(t.user_attrs["by"])) for t in complete) > 1


def test_without_a_last_step_the_objective_ends_by_itself():
    study = trained(PBTScheduler(population=4, interval=5))
    assert len(study.get_trials(states=[COMPLETE])) == 4
    assert not study.history.paused


def test_an_objective_that_goes_on_beyond_the_last_step_is_stopped():
    study = trained(PBTScheduler(population=4, interval=3, last_step=9), lambda trial: training(trial, 50))
    assert max(t.last_step for t in study.trials) == 10
    assert {t.state for t in study.trials} == {PRUNED}
    assert isinstance(study._session.engine.plan(), Wait)


def test_a_member_that_dies_goes_on_from_its_last_checkpoint():
    def fails(trial, step):
        if step == 5 and trial.number == 2:
            raise RuntimeError("a bad day")

    study = trained(PBTScheduler(population=4, interval=3, last_step=12), lambda t: training(t, fails=fails))
    (restart,) = [t for t in study.trials if t.parent == 2 and t.params == study.trials[2].params]
    assert study.trials[2].state is FAIL
    assert min(restart.intermediate_values) == 5
    assert len(study.get_trials(states=[COMPLETE])) == 4


def test_a_member_that_dies_twice_becomes_a_copy_of_a_better_one():
    cursed = []

    def fails(trial, step):
        if not cursed and step == 5:
            cursed.append(trial.params)
        if step == 5 and trial.params in cursed:
            raise RuntimeError("never works")

    study = trained(PBTScheduler(population=4, interval=3, last_step=12), lambda t: training(t, fails=fails))
    failed = study.get_trials(states=[FAIL])
    assert [t.params for t in failed] == cursed * 2
    assert failed[1].parent == failed[0].number
    assert len(study.get_trials(states=[COMPLETE])) == 4
    assert not any(t.parent == failed[1].number for t in study.trials)


def test_a_member_that_gives_up_counts_as_the_worst():
    def fails(trial, step):
        if trial.number == 0:
            raise kilter.TrialPruned

    study = trained(PBTScheduler(population=4, interval=3, last_step=12), lambda t: training(t, fails=fails))
    assert study.trials[0].state is PRUNED
    assert len(study.get_trials(states=[COMPLETE])) == 4


def test_a_population_that_always_fails_ends():
    def fails(trial, step):
        raise ValueError(f"{trial.number} fails")  # a message of its own each time, so that the study is not aborted

    try:
        study = trained(PBTScheduler(population=4, interval=3), lambda t: training(t, fails=fails))
    except StudyAborted:
        return
    assert {t.state for t in study.trials} == {FAIL}
    assert len(study.trials) == 8


def test_a_corrupt_checkpoint_starts_over_with_a_warning_and_breaks_nothing():
    spoilt = []

    def objective(trial):
        if trial.attempt == 2 and not spoilt:
            spoilt.append(trial.number)
            (path,) = Path(trial.checkpoint_dir).iterdir()
            path.write_bytes(b"no checkpoint")
        return training(trial)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = trained(PBTScheduler(population=4, interval=3, last_step=12), objective)
    assert any("starts from the beginning" in str(warning.message) for warning in caught)
    assert len(study.get_trials(states=[COMPLETE])) == 4


def test_a_missing_checkpoint_starts_over():
    def objective(trial):
        if trial.parent is not None:
            for path in Path(trial.checkpoint_dir).iterdir():
                path.unlink()
        return training(trial)

    study = trained(PBTScheduler(population=4, interval=3, last_step=12), objective)
    assert len(study.get_trials(states=[COMPLETE])) == 4
    assert any(t.parent is not None and min(t.intermediate_values) == 1 for t in study.trials)


def test_categorical_and_conditional_parameters():
    space = {
        "x": Float(0.1, 1.0),
        **{k: v for k, v in SPACE.items() if k != "x"},
        "flag": Boolean(),
        "n": Ordinal([1, 2, 4]),
    }
    scheduler = PBTScheduler(population=6, interval=2, last_step=12, resample=0.6)
    study = trained(scheduler, space=space)
    legal = study.space.is_legal
    assert all(legal(trial.params) for trial in study.history)
    forks = [t for t in study.history if t.parent is not None]
    assert any(t.params["kind"] != study.history[t.parent].params["kind"] for t in forks)


def test_only_mutable_parameters_change():
    space = {"x": Float(0.1, 1.0), "width": Int(1, 99)}
    study = trained(PBTScheduler(population=6, interval=2, last_step=12, mutable=["x"]), space=space)
    forks = [t for t in study.trials if t.parent is not None]
    assert all(t.params["width"] == study.trials[t.parent].params["width"] for t in forks)
    assert any(t.params["x"] != study.trials[t.parent].params["x"] for t in forks)


@pytest.mark.parametrize("sampler", plugins.SAMPLERS)
def test_every_sampler_may_propose_the_first_population(sampler):
    study = kilter.create_study(
        space={"x": Ordinal([0.1, 0.2, 0.4, 0.8, 1.0])},
        sampler=sampler,
        seed=1,
        scheduler=PBTScheduler(population=4, interval=3, last_step=6),
    )
    study.optimize(lambda trial: training(trial, 6), progress="none")
    assert [t.parent for t in study.trials[:4]] == [None] * 4
    assert len(study.get_trials(states=[COMPLETE])) == 4


def test_a_finite_space_makes_for_a_population_no_larger():
    study = trained(PBTScheduler(population=10, interval=3, last_step=6), space={"x": Ordinal([0.1, 0.2, 0.4])})
    assert sum(t.parent is None for t in study.trials) == 3


def test_the_queue_comes_first_and_what_comes_later_trains_to_its_end():
    study = kilter.create_study(
        space={"x": Float(0.1, 1.0)}, seed=1, scheduler=PBTScheduler(population=4, interval=3, last_step=12)
    )
    study.enqueue_trial({"x": 0.5})

    def objective(trial):
        if (trial.number, trial.attempt) == (5, 1):
            study.enqueue_trial({"x": 0.7})
        return training(trial)

    study.optimize(objective, progress="none")
    assert study.trials[0].params == {"x": 0.5}
    (late,) = [t for t in study.trials if t.params == {"x": 0.7}]
    assert late.state is COMPLETE
    assert late.attempt == 1
    assert len(study.get_trials(states=[COMPLETE])) == 5


def test_define_by_run():
    def objective(trial):
        trial.suggest_float("x", 0.1, 1.0)
        if trial.suggest_categorical("kind", ["a", "b"]) == "b":
            trial.suggest_int("depth", 1, 9)
        return training(trial)

    study = kilter.create_study(seed=1, scheduler=PBTScheduler(population=4, interval=3, last_step=12, resample=0.5))
    study.optimize(objective, progress="none")
    assert len(study.get_trials(states=[COMPLETE])) == 4
    assert any(t.parent is not None for t in study.trials)


def test_an_objective_that_takes_a_budget():
    budgets = []

    def objective(trial, x, epochs):
        state = trial.load() or {"epoch": 0, "loss": 10.0}
        while state["epoch"] < epochs:
            state = {"epoch": state["epoch"] + 1, "loss": state["loss"] - x}
        trial.save(state)
        budgets.append(epochs)
        return state["loss"]

    study = kilter.create_study(
        space={"x": Float(0.1, 1.0)},
        sampler="random",
        seed=1,
        fidelity=kilter.Fidelity("epochs", 1, 9),
        scheduler=PBTScheduler(population=4, interval=3),
    )
    study.optimize(objective, progress="none")
    assert Counter(budgets) == {3: 4, 6: 4, 9: 4}
    assert len(study.get_trials(states=[COMPLETE])) == 4
    assert any(t.parent is not None for t in study.trials)


def test_huge_steps_skip_the_milestones_between():
    clock = VirtualClock()
    study = new_study(clock, PBTScheduler(population=4, interval=3))

    def train(params):
        for step in (1, 10**15, 10**15 + 1):
            yield step, params["x"], 1.0

    study.optimize(train, executor=Simulated(2, clock), progress="none")
    assert sum(t.state is COMPLETE for t in study.trials) == 4


def test_the_plan_starts_a_population_then_waits():
    study = new_study(VirtualClock())
    for _ in range(7):
        assert isinstance(study._session.engine.plan(), Start)
        study._session.begin()
    assert isinstance(study._session.engine.plan(), Wait)


def test_copies_come_before_those_that_go_on():
    """A parent that had gone on could be a milestone further when it is copied."""
    study = new_study(clock := VirtualClock())
    engine, forks = study._session.engine, []
    ask = engine.plan

    def plan():
        action = ask()
        if isinstance(action, Fork):
            forks.append(engine.history[action.parent].state)
        return action

    engine.plan = plan
    study.optimize(steps(0), executor=Simulated(2, clock), progress="none")
    assert forks == [PAUSED] * 8


def test_the_end_says_that_the_population_is_trained(caplog, capfd):
    study = kilter.create_study(space={"x": Float(0, 1)}, scheduler=PBTScheduler(population=2, last_step=2), seed=0)

    def steps(x, trial):
        for step in (1, 2):
            trial.report(x, step)
            trial.should_prune()
        return x

    with caplog.at_level("INFO", "kilter"):
        study.optimize(steps, progress="plain")
    assert "the scheduler has trained its population of 2 to the end" in caplog.text + capfd.readouterr().err
