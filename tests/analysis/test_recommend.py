"""Which trial is recommended: under noise the one believed best, without noise the best; ties by cost and defaults."""

import math

import numpy as np
import pytest

from kilter import create_study
from kilter.analysis.recommend import recommended
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import Ended, Enqueued, Failure, Started, TrialState
from kilter.core.parameter import Choice, Float
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

CUBE = Space({"x": Float(0, 1), "y": Float(0, 1), "z": Float(0, 1)})


def bowl(config):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2 + (config["z"] - 0.5) ** 2


def run(log, config, metrics, seconds=1.0, state=TrialState.COMPLETE, failure=None):
    """One trial at a given configuration that took so long."""
    number = len(log.engine.history)
    log.write(Enqueued(number, config, 0.0))
    log.write(Started(number, 1, config, "w", log.engine.position, 10.0, fresh=False))
    log.write(Ended(number, 1, state, metrics, 10.0 + seconds, failure=failure))
    return number


def best(history):
    return min(history.front(), key=lambda trial: trial.metrics["value"]) if history.front() else None


def noisy(seed, trials, sd=0.05):
    """As a search leaves it: half of the trials anywhere, half round the optimum; noise is 0.3 of their spread."""
    stream = np.random.default_rng(seed)
    log = Log(RandomSampler(), Problem(CUBE), seed)
    for number in range(trials):
        near = np.clip(np.array([0.3, 0.6, 0.5]) + 0.2 * stream.standard_normal(3), 0, 1)
        config = CUBE.decode(near if number % 2 else stream.random(3))
        run(log, config, {"value": bowl(config) + sd * stream.standard_normal()})
    return log.engine.history


@pytest.mark.parametrize("trials", [25, 50])
def test_under_noise_it_is_better_than_the_luckiest(trials):
    """On average over 20 studies, and in more of them than not."""
    true = []
    for seed in range(20):
        history = noisy(seed, trials)
        true.append([bowl(trial.params) for trial in (recommended(history, 7), best(history))])
    chosen, luckiest = np.array(true).T
    assert chosen.mean() < 0.9 * luckiest.mean()
    assert (chosen < luckiest).sum() > (chosen > luckiest).sum()


@pytest.mark.parametrize("way", ["minimize", "maximize"])
def test_without_noise_it_is_the_best(way):
    for seed in range(5):
        log = Log(RandomSampler(), Problem(CUBE, (Objective("value", way),)), seed)
        log.run(30, lambda c: {"value": bowl(c) if way == "minimize" else -bowl(c)})
        assert recommended(log.engine.history, 7) is min(log.engine.history, key=lambda t: bowl(t.params))


def level_log(space, sd=0.3, count=40):
    """Noise alone, so that all trials are level as far as anybody can know."""
    log = Log(RandomSampler(), Problem(space), 3)
    noise = np.random.default_rng(1)
    for _ in range(count):
        run(log, space.draw(noise), {"value": float(sd * noise.standard_normal())})
    return log, noise


def test_of_equals_the_one_nearest_to_the_defaults():
    defaults = Space({"x": Float(0, 1, default=0.25), "c": Choice(["a", "b"], default="b"), "z": Float(0, 1)})
    log, _ = level_log(defaults)
    near = run(log, {"x": 0.26, "c": "b", "z": 0.9}, {"value": -0.2})
    run(log, {"x": 0.26, "c": "a", "z": 0.9}, {"value": -0.2})
    assert recommended(log.engine.history, 7).number == near
    plain = Space({"x": Float(0, 1), "c": Choice(["a", "b"]), "z": Float(0, 1)})
    log, _ = level_log(plain)
    run(log, {"x": 0.26, "c": "b", "z": 0.9}, {"value": -0.2})
    assert recommended(log.engine.history, 7).number != near


def test_of_equals_one_that_is_much_cheaper():
    log, _ = level_log(CUBE)
    little = run(log, {"x": 0.5, "y": 0.5, "z": 0.5}, {"value": 0.0}, seconds=0.8)
    assert recommended(log.engine.history, 7).number != little
    much = run(log, {"x": 0.5, "y": 0.5, "z": 0.4}, {"value": 0.0}, seconds=0.3)
    assert recommended(log.engine.history, 7).number == much


def test_a_cheap_trial_that_is_worse_is_not_taken():
    log = Log(RandomSampler(), Problem(CUBE), 3)
    noise = np.random.default_rng(1)
    for _ in range(40):
        config = CUBE.draw(noise)
        run(log, config, {"value": bowl(config) + 0.05 * noise.standard_normal()})
    bad = run(log, {"x": 1.0, "y": 0.0, "z": 0.0}, {"value": 1.1}, seconds=0.01)
    assert recommended(log.engine.history, 7).number != bad


@pytest.mark.parametrize("trials", [1, 2, 12])
def test_only_what_is_complete_and_feasible(trials):
    problem = Problem(CUBE, constraints=(Constraint("m", "<=", 1.0),))
    log = Log(RandomSampler(), problem, 3)
    noise = np.random.default_rng(1)
    assert recommended(log.engine.history, 7) is None
    metrics = [
        ({"value": 0.0, "m": 2.0}, TrialState.COMPLETE, None),
        ({"value": 0.0, "m": math.nan}, TrialState.COMPLETE, None),
        ({"value": -1.0, "m": 0.0}, TrialState.PRUNED, None),
        ({"value": -2.0, "m": 0.0}, TrialState.FAIL, Failure("ValueError")),
        ({"value": -math.inf, "m": 0.0}, TrialState.COMPLETE, None),
    ]
    for metric, state, failure in metrics * trials:
        run(log, CUBE.draw(noise), metric, state=state, failure=failure)
    assert recommended(log.engine.history, 7) is None
    only = run(log, CUBE.draw(noise), {"value": 5.0, "m": 1.0})
    assert recommended(log.engine.history, 7).number == only


def test_more_trials_than_the_model_rests_on():
    history = noisy(1, 420, sd=0.0)
    assert recommended(history, 7) is best(history)


def test_it_is_the_same_after_a_replay_and_beside_running_trials():
    log = Log(RandomSampler(), Problem(CUBE), 3)
    noise = np.random.default_rng(1)
    log.run(20, lambda c: {"value": bowl(c) + 0.1 * noise.standard_normal()})
    first = recommended(log.engine.history, 7).number
    assert recommended(log.replayed(len(log.entries)).history, 7).number == first
    log.start()
    assert recommended(log.engine.history, 7).number == first


class TestStudy:
    def test_without_noise_it_is_the_best_trial(self):
        study = create_study(space={"x": Float(-1, 1)})
        with pytest.raises(NotReady):
            study.recommend()
        study.optimize(lambda x: (x - 0.2) ** 2, 12, progress="none")
        assert study.recommend().number == study.best_trial.number

    def test_several_objectives_have_no_single_best(self):
        study = create_study(space={"x": Float(-1, 1)}, directions=["minimize", "minimize"])
        with pytest.raises(InvalidInput, match="best_trials"):
            study.recommend()

    def test_nothing_feasible(self):
        study = create_study(space={"x": Float(-1, 1)}, subject_to={"m": "<= 0"})
        study.optimize(lambda x: {"value": x, "m": 1.0}, 5, progress="none")
        with pytest.raises(NotReady, match="feasible"):
            study.recommend()
