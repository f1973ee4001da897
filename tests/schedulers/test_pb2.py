import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.core.events import TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.models.bandit import Bandit, within
from kilter.models.encoding import Encoding
from kilter.schedulers.pb2 import PB2Scheduler
from kilter.testing.scheduler import SchedulerSuite


class TestPB2(SchedulerSuite):
    exhausts = True

    def scheduler(self):
        return PB2Scheduler()


# The model.

MIXED = Space({"x": Float(0, 1), "kind": Choice({"a": {"n": Int(1, 9)}, "b": {}}), "flag": Boolean()})


def bandit(space, configs, start, gain, parent, fixed=(), now=3, loss=1.0):
    encoding = Encoding(space)
    points = encoding.points(space.encode(configs))
    source = encoding.points(space.encode([parent]))[0]
    bound = np.array([name in fixed for name in space.names])
    before = np.linspace(5, 1, len(configs))
    return Bandit(encoding, points, np.array(start), before, np.array(gain), source, now, loss, bound)


@given(gain=st.lists(st.floats(-1e6, 1e6) | st.just(-math.inf), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_gains_are_compared_within_a_milestone(gain, seed):
    start = np.random.default_rng(seed).integers(3, size=len(gain))
    scaled = within(np.array(gain), start)
    assert np.isfinite(scaled).all()
    for time in np.unique(start):
        rows = np.flatnonzero(start == time)
        assert abs(scaled[rows].mean()) < 1e-6
        order = np.argsort(np.array(gain)[rows], kind="stable")
        assert (np.diff(scaled[rows][order]) >= -1e-9).all()


def test_the_bandit_follows_what_is_good_as_it_drifts():
    space = Space({"x": Float(0, 1)})
    stream = np.random.default_rng(0)
    configs, start, gain = [], [], []
    for time in range(8):
        for x in stream.random(8):
            configs.append({"x": float(x)})
            start.append(time)
            gain.append(-((x - 0.1 - 0.1 * time) ** 2) / (1 + time))
    model = bandit(space, configs, start, gain, {"x": 0.5}, now=8)
    assert model.chosen(rng(0, "test"))[0] == pytest.approx(0.9, abs=0.1)


def test_what_is_chosen_beside_it_counts_as_known():
    space = Space({"x": Float(0, 1)})
    configs = [{"x": x} for x in (0.0, 0.1, 0.9, 1.0)]
    model = bandit(space, configs, [0] * 4, [0.0, 0.1, 0.1, 0.0], {"x": 0.1}, now=1)
    first = model.chosen(rng(0, "test"))
    before = model.score(first[None])
    model.imagine(first[None], np.array([1.0]))
    assert model.score(first[None]) < before


@pytest.mark.parametrize("fixed", [("x",), ("kind",), ("n", "flag"), ("x", "kind", "n", "flag")])
def test_fixed_parameters_stay(fixed):
    stream = np.random.default_rng(0)
    configs = [MIXED.draw(stream) for _ in range(12)]
    parent = {"x": 0.3, "kind": "a", "n": 4, "flag": True}
    model = bandit(MIXED, configs, [0] * 6 + [1] * 6, stream.random(12).tolist(), parent, fixed)
    other = model.encoding.points(MIXED.encode([{"x": 0.6, "kind": "b", "flag": False}]))
    assert (model.score(other) == -np.inf) == (fixed != ("n",))
    for seed in range(5):
        chosen = model.encoding.config(model.chosen(rng(seed, "test")))
        assert MIXED.is_legal(chosen)
        assert all(chosen[name] == parent[name] for name in fixed if name in chosen)


def test_the_gradient_of_the_bound():
    stream = np.random.default_rng(1)
    configs = [MIXED.draw(stream) for _ in range(12)]
    model = bandit(MIXED, configs, [0] * 12, stream.random(12).tolist(), configs[0])
    points = model.encoding.from_uniforms(stream.random((6, len(MIXED))))
    value, gradient = model.slope(points, model.encoding.features(points))
    assert value == pytest.approx(model.score(points))
    for column, j in enumerate(model.encoding.numbers):
        moved = points.copy()
        moved[:, j] += 1e-6
        active = model.encoding.active(points)[:, j]
        change = (model.slope(moved, model.encoding.features(moved))[0] - value) / 1e-6
        assert gradient[active, column] == pytest.approx(change[active], rel=1e-3, abs=1e-4)


# The scheduler.

SPACE = {
    "x": Float(0.01, 1, log=True),
    "kind": Choice({"a": {"n": Int(1, 9)}, "b": {}}),
    "size": Ordinal([1, 2, 4]),
    "flag": Boolean(),
}


def steps(seed):
    """An objective whose best x falls with time, and which takes a time of its own."""

    def train(params):
        stream, loss = np.random.default_rng([seed, int(1e9 * params["x"])]), 10.0
        for step in range(1, 21):
            loss -= 1 / (1 + abs(math.log(params["x"]) + 0.2 * step)) - 0.01 * params["size"]
            yield step, loss, float(stream.exponential())

    return train


def ran(slots, seed=0, **more):
    clock = VirtualClock()
    scheduler = PB2Scheduler(**{"population": 6, "interval": 4, "last_step": 20, "quantile": 0.34, **more})
    study = kilter.create_study(space=SPACE, sampler="random", seed=3, scheduler=scheduler, clock=clock)
    study.optimize(steps(seed), executor=Simulated(slots, clock), progress="none")
    return study


def decisions(study):
    trials = study.trials
    return sorted((repr(t.params), t.state, "" if t.parent is None else repr(trials[t.parent].params)) for t in trials)


@pytest.mark.parametrize("seed", range(3))
def test_decisions_do_not_depend_on_workers_and_their_speed(seed):
    assert decisions(ran(2 + seed, seed)) == decisions(ran(1))


def test_copies_are_legal_and_differ():
    study = ran(2)
    forks = [t for t in study.history if t.parent is not None]
    assert len(forks) == 8
    assert all(study.space.is_legal(t.params) for t in forks)
    assert len({repr(t.params) for t in forks}) > 4


def test_a_copy_knows_of_those_that_go_on_and_of_the_copies_before_it(monkeypatch):
    imagined = []
    imagine = Bandit.imagine

    def watched(self, points, loss):
        imagined.append(len(points))
        imagine(self, points, loss)

    monkeypatch.setattr(Bandit, "imagine", watched)
    ran(1)
    assert imagined == [4, 5] * 4


def test_only_mutable_parameters_change():
    study = ran(2, mutable=["x"])
    for trial in study.history:
        if trial.parent is not None:
            parent = study.history[trial.parent].params
            assert {**trial.params, "x": 0} == {**parent, "x": 0}


def test_before_there_is_enough_for_a_model_chance_decides():
    study = ran(2, population=3)
    assert any(t.parent is not None for t in study.trials)
    assert sum(t.state is TrialState.COMPLETE for t in study.trials) == 3


def test_stretches_know_the_loss_they_began_with():
    study = ran(2)
    stretches = study._session.engine.scheduler_state.stretches
    assert len(stretches) == 6 * 4
    at = {(end, trial): loss for end, _, trial, _, loss in stretches}
    for end, slot, trial, before, _ in stretches:
        if end == 1:
            assert before == math.inf
            continue
        parent = study.trials[trial].parent
        came = [at[end - 1, t] for t in (trial, parent) if (end - 1, t) in at]
        assert before == came[0], (end, slot)


def test_nan_is_learned_as_bad():
    def train(params):
        for step in range(1, 21):
            yield step, math.nan if params["x"] > 0.5 and step < 20 else -step * params["x"], 1.0

    clock = VirtualClock()
    scheduler = PB2Scheduler(population=8, interval=4, last_step=20)
    study = kilter.create_study(space=SPACE, sampler="sobol", seed=3, scheduler=scheduler, clock=clock)
    study.optimize(train, executor=Simulated(3, clock), progress="none")
    assert sum(t.state is TrialState.COMPLETE for t in study.trials) == 8
    assert all(study.trials[t.parent].params["x"] <= 0.5 for t in study.trials if t.parent is not None)


def test_it_finds_a_schedule_that_no_fixed_configuration_can_follow():
    """A noisy parabola, whose best learning rate falls; the best fixed one reaches 0.0289."""

    def train(trial):
        state = trial.load() or {"step": 0, "value": 100.0}
        value, lr = state["value"], trial.params["lr"]
        for step in range(state["step"] + 1, 101):
            value = (1 - lr) ** 2 * value + lr**2
            if step % 5 == 0:
                trial.save({"step": step, "value": value})
                trial.report(value, step)
                if trial.should_prune():
                    raise kilter.TrialPruned
        return value

    scheduler = PB2Scheduler(population=8, interval=5, last_step=100)
    space = {"lr": Float(1e-3, 1.0, log=True)}
    study = kilter.create_study(space=space, sampler="random", seed=0, scheduler=scheduler)
    study.optimize(train, progress="none")
    assert study.best_value < 0.02
