"""What processes learn from earlier studies: a prior of θ, and trials of the same task as if they were the study's."""

from dataclasses import replace

import numpy as np
import pytest

from kilter.core.earlier import EarlierStudy
from kilter.core.events import Recalled, Report, Reported
from kilter.core.numbers import Float
from kilter.core.options import Choice
from kilter.core.problem import Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.models.evidence import SingleFidelity, Taught, evidence_of
from kilter.models.fits import layout_of
from kilter.models.sources import Sources
from kilter.models.surrogate import Surrogate
from kilter.models.taught import MOST, SameTask, taught_layout
from kilter.samplers import GPSampler, RandomSampler
from kilter.testing.sampler import Log

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1), "k": Choice(["a", "b"])})


def ripple(config):
    """Rough along x, smooth along y."""
    return np.sin(20.0 * config["x"]) + 0.3 * (config["y"] - 0.4) ** 2 + 0.2 * (config["k"] == "b")


def study(name, trials=30, without=(), failed=(), **more):
    stream = rng(0, name)
    configs = [SPACE.draw(stream) for _ in range(trials)]
    losses = tuple(float(ripple(config)) for config in configs)
    seen = tuple({n: v for n, v in config.items() if n not in without} for config in configs)
    return EarlierStudy(name, seen, losses, tuple(failed), trials, **more)


def log_after(*studies, sampler=None, objectives=("value",)):
    log = Log(sampler or RandomSampler(), Problem(SPACE, tuple(Objective(o, "minimize") for o in objectives)))
    log.write(Recalled(tuple(studies), 0.0))
    return log


def run(log, trials):
    log.run(trials, lambda config: {"value": float(ripple(config))})
    return log.engine.history


@pytest.mark.parametrize("count", [1, 3])
def test_the_prior_lies_between_the_usual_one_and_what_was_fitted(count):
    sources = Sources([study(f"s{i}") for i in range(count)], SPACE)
    (mean, sd), (usual, usual_sd) = taught_layout(sources).prior(), layout_of(sources.encoding).prior()
    all_of_them = np.array([usual, *(source.theta for source in sources.teaching)])
    assert (all_of_them.min(axis=0) - 1e-12 <= mean).all() and (mean <= all_of_them.max(axis=0) + 1e-12).all()
    assert (sd > 0).all() and (sd <= usual_sd).all()
    assert mean[0] < usual[0], "x is rougher than is usual"


def test_of_a_parameter_that_no_earlier_study_knows_the_prior_is_the_usual_one():
    sources = Sources([study(f"s{i}", without=("x", "k")) for i in range(3)], SPACE)
    learnt, usual = taught_layout(sources), layout_of(sources.encoding)
    numbers = len(usual.numbers)
    unknown = [0, 2, 5, 5 + numbers]  # the lengths of x and k, the warp of x
    for got, expected in zip(learnt.prior(), usual.prior()):
        assert got[unknown] == pytest.approx(expected[unknown])
        assert got[1] != pytest.approx(expected[1])


def test_a_study_of_little_weight_moves_the_prior_less():
    def moved(weight):
        sources = Sources([study("s", weight=weight)], SPACE)
        return np.abs(taught_layout(sources).prior()[0] - layout_of(sources.encoding).prior()[0])

    assert moved(0.5).sum() == pytest.approx(moved(1.0).sum() * 2 / 3, rel=0.05)


def test_a_study_whose_values_follow_nothing_moves_the_prior_hardly():
    def moved(study):
        sources = Sources([study], SPACE)
        return np.abs(taught_layout(sources).prior()[0] - layout_of(sources.encoding).prior()[0]).sum()

    told = study("s", 48)
    assert moved(replace(told, losses=tuple(rng(1, "order").permutation(told.losses)))) < 0.2 * moved(told)


def test_trials_of_the_same_task_are_believed_like_the_studys_own():
    history = run(log_after(study("before", same=True)), 3)
    other = run(log_after(study("before")), 3)
    points = Sources.of(history).encoding.from_uniforms(np.random.default_rng(1).random((200, 3)))
    truth = np.array([ripple(Sources.of(history).encoding.config(point)) for point in points])

    def error(history):
        belief = Surrogate.of(history, 7, 3).objectives[0]
        mean = belief.posterior.predict(Sources.of(history).encoding.features(points))[0]
        return np.abs(belief.output.inverse(mean) - truth).mean()

    assert error(history) < 0.3 * error(other)


def test_improvement_is_on_the_studys_own_trials():
    history = run(log_after(study("before", same=True)), 4)
    surrogate = Surrogate.of(history, 7, 4)
    own = surrogate.objectives[0].output(history.values[:, 0])
    assert surrogate.best == pytest.approx(own.min(), abs=0.2)
    assert len(surrogate.seen) == 4


def test_only_what_failed_at_the_same_task_is_feared():
    failed = ({"x": 0.5, "y": 0.5, "k": "a"},)
    assert Surrogate.of(run(log_after(study("s", failed=failed)), 3), 7, 3).failure is None
    surrogate = Surrogate.of(run(log_after(study("s", failed=failed, same=True)), 3), 7, 3)
    near, far = surrogate.encoding.point(failed[0]), surrogate.encoding.point({"x": 0.0, "y": 0.0, "k": "b"})
    means = surrogate.failure.posterior.predict(surrogate.encoding.features(np.array([near, far])))[0]
    assert means[0] > means[1]


def test_rows_of_the_same_task_are_bounded_and_the_best_are_among_them():
    sources = Sources([study(f"s{i}", 48, same=True) for i in range(7)], SPACE)
    same = SameTask(sources)
    assert len(same.losses) <= MOST
    for source in sources.teaching:
        assert np.isin(source.seen.losses[source.order[:8]], same.losses).all()


def test_what_is_learnt_is_a_function_of_the_log():
    log = log_after(study("a"), study("b", same=True, failed=({"x": 0.5, "y": 0.5, "k": "a"},)), sampler=GPSampler())
    for number in range(14):
        run(log, 1)
        if number in (6, 13):
            fresh = log.replayed(len(log.entries)).history
            remembering, again = (Surrogate.of(history, 7, number + 1) for history in (log.engine.history, fresh))
            points = again.encoding.from_uniforms(np.random.default_rng(0).random((20, 3)))
            assert np.array_equal(remembering.score(points), again.score(points))


def test_studies_that_only_list_what_to_try_teach_no_process():
    history = run(log_after(EarlierStudy("by hand", ({"x": 0.5, "y": 0.5, "k": "a"},))), 3)
    assert type(evidence_of(history, 7, 3)) is SingleFidelity
    assert type(evidence_of(run(log_after(study("s")), 3), 7, 3)) is Taught


def test_trials_of_the_same_task_count_as_whole_trainings_where_trials_report():
    def error(*studies):
        log = log_after(*studies)
        for _ in range(4):
            number, config = log.start()
            reports = (Report(step, {"value": float(ripple(config)) + 1.0 / step}) for step in (1, 3, 9))
            log.write(Reported(number, 0, tuple(reports), 0.0))
            log.end(number, {"value": float(ripple(config))})
        surrogate = Surrogate.of(log.engine.history, 7, 3)
        points = surrogate.encoding.from_uniforms(np.random.default_rng(1).random((200, 3)))
        truth = np.array([ripple(surrogate.encoding.config(point)) for point in points])
        belief = surrogate.objectives[0]
        mean = belief.posterior.predict(surrogate.encoding.features(points))[0]
        return np.abs(belief.output.inverse(mean) - truth).mean()

    assert error(study("before", same=True)) < 0.5 * error(study("before"))
