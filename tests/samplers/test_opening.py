"""The first trials: defaults, what earlier studies say is best, then points that cover the space."""

import numpy as np
import pytest

import kilter
from kilter.core.earlier import EarlierStudy
from kilter.core.events import Enqueued, Failure, Recalled, Started, TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.problem import Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.models.results import Results
from kilter.models.sources import LISTED, Sources
from kilter.samplers import AutoSampler, GPSampler, TPESampler
from kilter.testing.sampler import Log

SPACE = Space({"x": Float(0, 1), "y": Float(1e-3, 10, log=True)})


def bowl(config, x=0.3, y=0.5):
    return (config["x"] - x) ** 2 + 0.1 * (np.log10(config["y"]) - np.log10(y)) ** 2


def study(name, objective, space=SPACE, trials=24, **more):
    stream = rng(0, name)
    configs = tuple(space.draw(stream) for _ in range(trials))
    return EarlierStudy(name, configs, tuple(float(objective(config)) for config in configs), trials=trials, **more)


RELATED = [study(f"task {i}", lambda config, i=i: bowl(config, 0.3 + 0.05 * i, 0.3 + 0.1 * i)) for i in range(4)]
MISLEADING = [study(f"foe {i}", lambda config, i=i: -bowl(config, 0.3 + 0.05 * i, 0.5)) for i in range(4)]


def log_after(studies, sampler=None, space=SPACE):
    log = Log(sampler or AutoSampler(), Problem(space, (Objective("value", "minimize"),)))
    log.write(Recalled(tuple(studies), 0.0))
    return log


def told(log, number):
    trial = log.engine.history[number]
    engine = log.replayed(trial.seen)
    return log.sampler.explain(engine.sampler_state, engine.history, number, trial.params)


def arms(log):
    return [told(log, number).arm for number in range(len(log.engine.history))]


def loss(config):
    return {"value": bowl(config, 0.35, 0.4)}


@pytest.mark.parametrize("sampler", [AutoSampler(), GPSampler(), TPESampler()], ids=["auto", "gp", "tpe"])
def test_the_first_trials_are_what_did_best_elsewhere(sampler):
    log = log_after(RELATED, sampler)
    values = [loss(config)["value"] for config in log.run(LISTED, loss)]
    random = np.median([loss(SPACE.draw(rng(1, str(i))))["value"] for i in range(99)])
    assert max(values[:1] + values[2:]) < random / 2 and min(values) < random / 10
    if sampler != TPESampler():
        assert arms(log) == ["list", "sobol", "list", "list", "list"]


def test_a_model_follows():
    log = log_after(RELATED)
    log.run(LISTED + 2, loss)
    assert arms(log)[-1] in ("gp", "tpe")


def test_the_list_ends_where_no_earlier_study_ranks_above_chance():
    """One trial on their word, and one to compare it with, show it."""
    log = log_after(MISLEADING)
    log.run(8, loss)
    assert arms(log)[:6] == ["list"] + ["sobol"] * 5
    assert told(log, 1).reason.startswith("something to compare with")
    assert told(log, 2).reason.startswith("no earlier study ranks")


def test_after_the_list_there_are_looks_elsewhere_until_there_were_enough():
    log = log_after(RELATED)
    log.run(30, loss)
    reasons = [told(log, number).reason for number in range(30)]
    looks = [number for number, reason in enumerate(reasons) if reason.startswith("a look at what")]
    assert looks and looks[0] > 4 and all(number % 3 == 2 for number in looks)
    history = log.engine.history
    sources = Sources.of(history)
    far = sources.weights(Results.of(history)) @ sources.regrets(Results.of(history).points)
    assert (far >= 0.6 * sources.weights(Results.of(history)).sum()).sum() >= 4 > len(looks)


def test_an_option_that_others_did_without_gets_a_look_at_its_best():
    space = Space({"k": Choice(["a", "b"]), "x": Float(0, 1)})
    earlier = [study(f"a {i}", lambda c, i=i: (c["k"] == "b") + (c["x"] - 0.1 * i) ** 2, space) for i in range(1, 5)]
    log = log_after(earlier, space=space)
    configs = log.run(14, lambda c: {"value": (c["k"] == "b") + (c["x"] - 0.3) ** 2})
    looks = [number for number in range(14) if "an option that few trials had" in told(log, number).reason]
    assert sum(config["k"] == "b" for config in configs) >= 2
    assert all(configs[number]["k"] == "b" and configs[number]["x"] < 0.6 for number in looks)
    assert looks and all(told(log, number).arm == "look" for number in looks)


def test_the_list_says_of_whom_it_is():
    log = log_after(RELATED)
    log.run(3, loss)
    explanation = told(log, 2)
    assert explanation.reason.startswith("3 of 5 that should do well by 4 earlier studies, by task")
    assert [name for name, _ in explanation.sources] == [f"task {i}" for i in range(4)]


def test_one_earlier_study_is_asked_for_three():
    log = log_after(RELATED[:1])
    log.run(4, loss)
    assert arms(log)[:4] == ["list", "sobol", "list", "gp"]


def test_workers_at_once_are_told_different_things():
    log = log_after(RELATED)
    configs = [log.start()[1] for _ in range(8)]
    assert len({repr(config) for config in configs}) == 8
    assert arms(log) == ["list", "sobol"] + ["list"] * 3 + ["sobol"] * 3


def test_defaults_come_first():
    space = Space({"x": Float(0, 1, default=0.9), "y": Float(1e-3, 10, log=True, default=1.0)})
    log = log_after(RELATED, space=space)
    first = log.run(6, loss)[0]
    assert first == {"x": 0.9, "y": 1.0}
    assert arms(log) == ["sobol"] + ["list"] * 5, "the defaults are something to compare with"


def test_configurations_without_values_are_tried_in_their_order():
    wanted = [{"x": 0.7, "y": 2.0}, {"x": 0.1, "y": 0.25}]
    log = log_after([EarlierStudy("by hand", tuple(wanted))])
    assert [{k: pytest.approx(v) for k, v in config.items()} for config in log.run(3, loss)[:2]] == wanted
    assert arms(log) == ["list", "list", "sobol"]


def test_what_failed_elsewhere_and_what_was_tried_is_not_on_the_list():
    log = log_after(RELATED)
    first = log.start()[1]
    again = log_after([EarlierStudy(s.name, s.configs, s.losses, failed=(first,)) for s in RELATED])
    assert again.start()[1] != first


def test_a_listed_trial_that_fails_is_followed_by_another():
    log = log_after(RELATED)
    number, config = log.start()
    log.end(number, {}, TrialState.FAIL, Failure("ValueError"))
    assert log.start()[1] != config


def test_a_list_grows_with_the_space():
    """Parameters that are met while the study runs are matched then."""
    study = kilter.create_study(seed=0)
    study._session.write(Recalled(tuple(RELATED), 0.0))

    def objective(trial):
        return bowl({"x": trial.suggest_float("x", 0, 1), "y": trial.suggest_float("y", 1e-3, 10, log=True)})

    study.optimize(objective, n_trials=4)
    assert study.explain(3).arm == "list"


def test_a_study_that_is_read_anew_goes_on_as_it_would_have():
    log = log_after([*RELATED, *MISLEADING])
    log.run(9, loss)
    for trial in log.engine.history:
        assert log.replayed(trial.seen).propose(trial.number) == trial.params


def test_a_finite_space_is_tried_out_once():
    space = Space({"k": Choice(["a", "b"]), "n": Int(1, 4)})
    log = log_after([study("small", lambda config: config["n"] + (config["k"] == "a"), space)], space=space)
    configs = log.run(12, lambda config: {"value": float(config["n"])})
    assert len(configs) == len({repr(config) for config in configs}) == 8
    assert configs[0] == {"k": "b", "n": 1}


def test_enqueued_trials_are_first_trials():
    log = Log(AutoSampler(), Problem(SPACE, (Objective("value", "minimize"),)))
    for i in range(6):
        log.write(Enqueued(i, {"x": 0.1 + 0.1 * i, "y": 1.0}, 0.0))
        config = log.engine.propose(i)
        log.write(Started(i, 1, config, "w", log.engine.position, 0.0, fresh=False))
        log.end(i, loss(config))
    log.run(1, loss)
    assert arms(log)[-1] in ("gp", "tpe")


def test_a_study_that_nobody_believes_has_no_weight_and_agreement_is_told():
    log = log_after([*RELATED, *MISLEADING])
    log.run(8, loss)
    history = log.engine.history
    sources, results = Sources.of(history), Results.of(history)
    weights, (wrong, pairs) = sources.weights(results), sources.agreement(results)
    assert pairs == 28
    assert weights[:4].min() > 0.3 and weights[4:].max() == 0.0
    assert wrong[:4].max() < 0.5 < wrong[4:].min()
