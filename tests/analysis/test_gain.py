"""What going on is worth: a function of the log, that falls as a search comes to rest, and stops none too early."""

import math

import numpy as np
import pytest

from kilter import Float, create_study, tune
from kilter.analysis.gain import HOUR, NotWorthIt, _gain, expected_gain
from kilter.core.errors import InvalidInput
from kilter.core.events import Ended, Enqueued, Report, Started, TrialState
from kilter.core.limits import Limits
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

CUBE = Space({"x": Float(0, 1), "y": Float(0, 1), "z": Float(0, 1)})


def bowl(point):
    return float(((point - np.array([0.3, 0.6, 0.5])) ** 2).sum())


def searched(trials, sd=0.0, seconds=36.0, workers=1, gap=0.0, problem=None, seed=0, folds=0, sign=1.0):
    """A log whose trials come nearer to the optimum, each of so many seconds, so many at once."""
    stream = np.random.default_rng(seed)
    log = Log(RandomSampler(), problem or Problem(CUBE), seed)
    for number in range(trials):
        width = 1.0 if number < 6 else 2.0 ** -(number / 4)
        point = np.clip(np.array([0.3, 0.6, 0.5]) + width * stream.uniform(-0.6, 0.6, 3), 0, 1)
        value = sign * bowl(point) + sd * stream.standard_normal()
        began = (number // workers) * (seconds + gap)
        log.write(Enqueued(number, CUBE.decode(point), 0.0))
        log.write(Started(number, 1, CUBE.decode(point), "w", log.engine.position, began, fresh=False))
        scores = value + 0.01 * stream.standard_normal(folds)
        reports = tuple(Report(0, {"value": score}, i) for i, score in enumerate(scores.tolist()))
        value = float(scores.mean()) if folds else value
        log.write(Ended(number, 1, TrialState.COMPLETE, {"value": value, "m": value}, began + seconds, reports))
    return log


def gain_of(log, seconds=3600.0):
    return expected_gain(log.engine.history, 0, seconds)


@pytest.mark.parametrize("trials", [10, 30])
def test_more_time_brings_no_less(trials):
    log = searched(trials)
    values = [gain_of(log, seconds).value for seconds in (36, 360, 3600, 36000)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] <= 1.0


def test_it_falls_as_the_search_comes_to_rest():
    early, late = gain_of(searched(8)).value, gain_of(searched(40)).value
    assert late < early / 100


def test_it_is_a_function_of_what_has_finished():
    log, other = searched(15), searched(15)
    other.write(Started(15, 1, CUBE.decode(np.full(3, 0.5)), "w", other.engine.position, 1e4))
    assert gain_of(log) == gain_of(log) == gain_of(other)


def test_a_maximum_gains_as_a_minimum_does():
    maximised = searched(15, problem=Problem(CUBE, (Objective("value", "maximize"),)), sign=-1.0)
    assert gain_of(maximised) == gain_of(searched(15))


@pytest.mark.parametrize(
    ("settings", "trials"),
    [({}, 100), ({"workers": 4}, 400), ({"seconds": 18.0, "gap": 18.0}, 102.8), ({"seconds": 4.0, "gap": 1e5}, 59.0)],
)
def test_the_pace_counts_workers_and_pauses_but_no_breaks(settings, trials):
    assert gain_of(searched(20, **settings)).trials == pytest.approx(trials, rel=0.01)


def test_noise_is_that_of_the_folds_where_there_are_some():
    """Of what folds say of configurations, beside how hard they are: they share rows (Nadeau and Bengio 2003)."""
    assert 0.7 < gain_of(searched(40, folds=4)).noise / (0.01 * math.sqrt(1 / 4 + 1 / 3)) < 1.5


def test_noise_is_what_the_model_calls_so():
    assert gain_of(searched(40)).noise == 0.0
    noises = [gain_of(searched(40, sd=0.1, seed=seed)).noise for seed in range(3)]
    assert 0.03 < np.median(noises) < 0.2


def test_there_is_no_telling_of_several_objectives_or_without_results():
    two = Problem(CUBE, (Objective("value"), Objective("m")))
    assert gain_of(searched(20, problem=two)) is None
    assert gain_of(searched(2)) is None
    assert gain_of(searched(20, problem=Problem(CUBE, constraints=(Constraint("m", "<=", -1.0),)))) is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_the_time_ahead_is_positive(seconds):
    with pytest.raises(InvalidInput, match="seconds"):
        gain_of(searched(5), seconds)


def ackley(x):
    z = 20 * x - 8
    return 20 + math.e - 20 * math.exp(-0.2 * math.sqrt((z * z).mean())) - math.exp(np.cos(2 * math.pi * z).mean())


def valley(x):
    z = 3 * x - 1.2
    return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())


def of_point(function):
    return lambda trial: function(np.array(list(trial.params.values())))


def test_over_problems_it_is_right_within_a_factor_of_three():
    told, came = [], []
    for objective, d in ((ackley, 4), (valley, 3), (lambda x: bowl(x[:3]) ** 0.5, 5)):
        space = Space({f"x{i}": Float(0, 1) for i in range(d)})
        study = create_study(space=space, sampler="gp", seed=2)
        study.optimize(of_point(objective), n_trials=60, progress="none")
        values = [trial.value for trial in study.trials]
        bests = np.minimum.accumulate(values)
        for n in (20, 26, 33, 40):
            pace = _gain(study.history, n, 0, HOUR).trials / HOUR
            told.append(_gain(study.history, n, 0, 20 / pace).value / np.median(values[:20]))
            came.append((bests[n - 1] - bests[n + 19]) / np.median(values[:20]))
    assert 1 / 3 < sum(told) / sum(came) < 3


# -- stopping -----------------------------------------------------------------------------------------------------


def followed(log, stopper):
    """After how many finished trials a run is told to stop."""
    engine = log.replayed(0)
    for entry in log.entries:
        engine.handle([entry])
        if stopper(engine.history, 0.0):
            return len(engine.history.finished)
    return None


def test_it_stops_at_the_same_trial_wherever_the_log_is_read():
    log = searched(60)
    stop = followed(log, NotWorthIt(1e-3))
    assert stop is not None
    position = next(i for i in range(len(log.entries)) if len(log.replayed(i).history.finished) == stop)
    late = log.replayed(position + 5)  # of a run that went on, or was resumed
    assert NotWorthIt(1e-3)(log.replayed(position).history, 0.0) == NotWorthIt(1e-3)(late.history, 1e9)
    assert NotWorthIt(1e-3)(log.replayed(position - 1).history, 0.0) is None


@pytest.mark.parametrize(("tolerance", "stop"), [(math.inf, 26), (5e-3, 33), (1e-3, 54), (1e-6, None)])
def test_the_smaller_the_tolerance_the_later_it_stops(tolerance, stop):
    assert followed(searched(60), NotWorthIt(tolerance)) == stop


def test_it_waits_for_trials_in_many_dimensions():
    space = Space({f"x{i}": Float(0, 1) for i in range(20)})
    log = Log(RandomSampler(), Problem(space))
    log.run(80, lambda config: {"value": config["x0"]})
    assert followed(log, NotWorthIt(math.inf)) == 78


def test_once_is_not_enough(monkeypatch):
    from kilter.analysis import gain

    values = iter([0.0, 1.0, 0.0, 0.0])
    monkeypatch.setattr(gain, "_gain", lambda *_: gain.Gain(next(values), 0.0, 1.0, 3600.0))
    assert followed(searched(60), NotWorthIt(0.5)) == 42  # looks at 20, 26, 33, 42


def test_it_goes_on_where_there_is_no_telling(monkeypatch):
    monkeypatch.setattr("kilter.analysis.gain._gain", lambda *_: None)
    assert followed(searched(40), NotWorthIt(math.inf)) is None


def test_what_is_lost_in_noise_is_not_worth_it():
    stream, log = np.random.default_rng(0), Log(RandomSampler(), Problem(Space({"x": Float(0, 1)})))
    log.run(40, lambda config: {"value": (config["x"] - 0.3) ** 2 + 0.05 * stream.standard_normal()})
    assert followed(log, NotWorthIt()) == 26
    assert "less than a quarter of the noise of a trial" in NotWorthIt()(log.engine.history, 0.0)
    assert followed(searched(60), NotWorthIt()) is None


def test_the_reason_gives_gain_and_tolerance():
    log = searched(40)
    assert "of the next hour, less than 0.01" in NotWorthIt(0.01)(log.engine.history, 0.0)
    assert "of the next 60 s, less than 0.01" in NotWorthIt(0.01, seconds=60.0)(log.engine.history, 0.0)


def test_several_objectives_are_refused():
    study = create_study(space=CUBE, directions=["minimize", "minimize"])
    with pytest.raises(InvalidInput, match="one objective"):
        study.optimize(lambda x, y, z: (x, y), n_trials=3, stoppers=[NotWorthIt(0.1)], progress="none")
    assert not study.trials


def test_a_study_tells_its_gain_and_ends_by_it():
    study = tune(lambda x: (x - 0.3) ** 2, {"x": Float(0, 1)}, limits=Limits(gain=0.01), storage=None, progress="none")
    assert len(study.trials) == 26
    gain = study.expected_gain(60.0)
    assert (gain.seconds, gain.noise) == (60.0, 0.0)
    assert gain.value < 0.01


@pytest.mark.parametrize("settings", [{"tolerance": -1.0}, {"tolerance": math.nan}, {"seconds": 0.0}])
def test_settings_that_cannot_be(settings):
    with pytest.raises(InvalidInput, match="NotWorthIt"):
        NotWorthIt(**settings)
