"""What configurations are worth: near the truth, as sure as it is right to be, in any unit, whatever was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.histories import PRUNED, histories, history_of

from kilter.analysis.design import Design, Part
from kilter.analysis.merits import merits
from kilter.core.attributes import CONFIRMS
from kilter.core.events import Report
from kilter.core.numbers import Float
from kilter.core.problem import Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Space

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})
FIVE = Design(tuple(Part(fold, train=4, test=1) for fold in range(5)))

SEEDS = Design(tuple(Part(seed) for seed in range(5)))


def bowl(config):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2


def by_values(seed, sd, trials=40, unit=1.0, origin=0.0, problem=None, repeats=0):
    """Noisy values of random configurations, of which the first ones are measured once more."""
    stream = np.random.default_rng(seed)
    configs = [SPACE.draw(stream) for _ in range(trials)]
    told = [{"params": config} for config in configs]
    told += [{"params": configs[i], "attrs": {CONFIRMS: i}} for i in range(repeats)]
    for each in told:
        each["value"] = float(unit * (bowl(each["params"]) + sd * stream.standard_normal()) + origin)
    return history_of(told, problem or Problem(SPACE))


def by_folds(seed, sd, trials=30, hardness=(0.0,) * 5, repeats=0, first=None):
    """Scores on five folds; with `first`, the best ones on so many are met by a repeat on all."""
    stream = np.random.default_rng(seed)
    configs = [SPACE.draw(stream) for _ in range(trials)]
    scores = [[bowl(c) + h + sd * stream.standard_normal() for h in hardness] for c in configs]
    told = [_trial(config, row[:first]) for config, row in zip(configs, scores)]
    best = sorted(range(trials), key=lambda i: told[i]["value"])[:repeats]
    told += [_trial(configs[i], scores[i]) | {"attrs": {CONFIRMS: i}} for i in best]
    return history_of(told, Problem(SPACE))


def _trial(config, row):
    reports = [Report(0, {"value": score}, fold=fold) for fold, score in enumerate(row)]
    return {"params": config, "value": float(np.mean(row)), "reports": reports}


def truth(found):
    return np.array([bowl(each.params) for each in found.configurations])


def pull(found):
    """Errors of the differences between all pairs, in the standard errors that they are said to have."""
    off = found.mean - truth(found)
    return [(off[i] - off[j]) / found.errors(i)[j] for i in range(len(off)) for j in range(i)]


@pytest.mark.parametrize(
    "make", [lambda s: by_values(s, 0.1), lambda s: by_values(s, 0.1, repeats=20), lambda s: by_folds(s, 0.2)]
)
def test_nearer_to_the_truth_than_what_was_seen_and_as_sure_as_is_right(make):
    pulls, gained = [], []
    for seed in range(8):
        found = merits(make(seed), SEEDS)
        true = truth(found)
        gained.append(np.std(found.mean - true) / np.std(found.observed - true))
        pulls += pull(found)
    assert np.mean(gained) < 0.8
    assert 0.7 < np.std(pulls) < 1.3


def test_what_a_race_stopped_is_learned_from_and_not_to_be_chosen():
    """Those that went on after the first part were lucky on it: the others say by how much."""
    sd, off = 0.3, {True: [], False: []}
    for seed in range(12):
        stream = np.random.default_rng(seed)
        configs = [SPACE.draw(stream) for _ in range(40)]
        rows = [[bowl(c) + sd * stream.standard_normal() for _ in range(5)] for c in configs]
        went_on = sorted(range(40), key=lambda i: rows[i][0])[:6]
        told = [
            _trial(c, row) if i in went_on else _trial(c, row[:1]) | {"state": PRUNED}
            for i, (c, row) in enumerate(zip(configs, rows))
        ]
        for learns, errors in off.items():
            found = merits(history_of(told if learns else [told[i] for i in sorted(went_on)], Problem(SPACE)), SEEDS)
            assert {each.params["x"] for each in found.configurations} == {configs[i]["x"] for i in went_on}
            errors.append((found.mean - truth(found)).mean())
    assert np.mean(off[False]) < 0
    assert abs(np.mean(off[True])) < abs(np.mean(off[False]))


def test_what_came_out_the_same_again_is_exact():
    found = merits(by_values(1, 0.0, repeats=1))
    assert found.noise == 0
    assert np.array_equal(found.mean, found.observed)
    best, other = np.argsort(found.mean)[:2]
    assert (found.chance(best, other), found.chance(other, best), found.chance(best, best)) == (1.0, 0.0, 0.5)


@pytest.mark.parametrize("repeats", [0, 30])
def test_noise_is_told_in_the_unit_of_a_trial(repeats):
    noises = [merits(by_values(seed, 0.1, repeats=repeats)).noise for seed in range(5)]
    assert np.mean(noises) == pytest.approx(0.1, rel=0.2)


def test_noise_of_folds_is_that_of_their_mean():
    noises = [merits(by_folds(seed, 0.1)).noise for seed in range(5)]
    assert np.mean(noises) == pytest.approx(0.1 * np.sqrt(1 / 5), rel=0.2)


@pytest.mark.parametrize("way", ["minimize", "maximize"])
def test_units_and_directions_do_not_matter(way):
    sign = 1.0 if way == "minimize" else -1.0
    problem = Problem(SPACE, (Objective("value", way),))
    plain, other = (
        merits(by_values(3, 0.1)),
        merits(by_values(3, 0.1, unit=sign * 1e6, origin=-3e5, problem=problem)),
    )
    assert other.mean == pytest.approx(1e6 * plain.mean - sign * 3e5)
    assert other.noise == pytest.approx(1e6 * plain.noise)
    assert other.chance(0, 1) == pytest.approx(plain.chance(0, 1))


@settings(max_examples=5)
@given(st.lists(st.floats(-100, 100), min_size=5, max_size=5))
def test_how_hard_folds_are_tells_configurations_not_apart(hardness):
    plain, other = merits(by_folds(2, 0.1)), merits(by_folds(2, 0.1, hardness=hardness))
    assert other.mean - np.mean(hardness) == pytest.approx(plain.mean, abs=1e-6)


def test_folds_that_only_the_lucky_met_are_not_called_hard():
    """Ten of 60 configurations look good on one fold by luck and are measured on all five."""
    off = []
    for seed in range(30):
        found = merits(by_folds(seed, 0.3, trials=60, first=1, repeats=10), FIVE)
        met = np.array([len(each.trials) > 1 for each in found.configurations])
        errors = found.mean - truth(found)
        off.append(errors[met].mean() - errors[~met].mean())
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(len(off)) + 0.02


def test_parts_that_cancel_are_parts_still():
    """Their mean is rounding alone, and of another sum another."""
    rows = [[0.1, 0.2, -0.3], [0.3, 0.4, 0.1], [0.6, 0.2, 0.5], [0.9, 0.7, 1.0]]
    told = [_trial({"x": i / 4, "y": 0.5}, row) for i, row in enumerate(rows)]
    told[0]["value"] = 9.3e-18
    assert merits(history_of(told, Problem(SPACE))).is_measured


def test_splits_that_are_repeated_make_nothing_surer_than_the_rows():
    """Hold-outs that have a fifth of their luck in common amount to five parts, however many there are."""
    stream, errors = np.random.default_rng(0), []
    configs = [SPACE.draw(stream) for _ in range(12)]
    rows = stream.standard_normal((12, 200)) + [[3 * bowl(config)] for config in configs]
    for repeats in (10, 60):
        tested = [stream.permutation(200)[:40] for _ in range(repeats)]
        scores = np.array([rows[:, part].mean(axis=1) for part in tested]).T
        parts = tuple(Part(i, repeat=i, train=160, test=40) for i in range(repeats))
        found = merits(history_of([_trial(*each) for each in zip(configs, scores)], Problem(SPACE)), Design(parts))
        errors.append(found.noise)
    assert errors == pytest.approx([1 / np.sqrt(200)] * 2, rel=0.5)


def test_who_is_measured_more_is_known_better():
    found = merits(by_folds(1, 0.2, trials=40, first=1, repeats=10), SEEDS)
    met = np.array([len(each.trials) > 1 for each in found.configurations])
    own = np.sqrt(np.diag(found.covariance))
    assert own[met].mean() < 0.9 * own[~met].mean()


def test_a_chance_is_that_of_draws_of_the_mean_and_the_covariance():
    found = merits(by_values(1, 0.1, trials=10))
    drawn = rng(0, "draws").multivariate_normal(found.mean, found.covariance, 4000, method="eigh")
    assert drawn.mean(axis=0) == pytest.approx(found.mean, abs=0.02)
    assert np.cov(drawn.T) == pytest.approx(found.covariance, abs=0.002)
    assert np.mean(drawn[:, 0] < drawn[:, 1]) == pytest.approx(found.chance(0, 1), abs=0.04)


def test_values_that_are_no_mean_of_their_folds_count_themselves():
    history = by_folds(1, 0.1)
    told = [
        {"params": trial.params, "value": bowl(trial.params), "reports": history.reports.of(trial.number)}
        for trial in history
    ]
    found = merits(history_of(told, Problem(SPACE)))
    assert found.observed == pytest.approx(truth(found))


def on_data_sets(apart, sd, folds, first=None, seed=1):
    """Forty configurations on three data sets, each of which likes others by so much; folds err by sd."""
    names = [(name, fold) for fold in range(folds) for name in "abc"]
    design = Design(tuple(Part(f"{name} {fold}", name, train=4, test=1) for name, fold in names), first=first)
    stream = np.random.default_rng(seed)
    told = []
    for _ in range(40):
        config = SPACE.draw(stream)
        row = np.tile(bowl(config) + apart * stream.standard_normal(3), folds) + sd * stream.standard_normal(3 * folds)
        reports = [Report(0, {"value": value}, fold=name) for name, value in list(zip(design.names, row))[:first]]
        told.append({"params": config, "value": float(row[:first].mean()), "reports": reports})
    return merits(history_of(told, Problem(SPACE)), design)


@pytest.mark.parametrize("apart", [0.0, 0.3])
@pytest.mark.parametrize("folds", [2, 3])
def test_how_configurations_differ_between_data_sets_is_no_noise_of_a_mean_over_them(apart, folds):
    """Whoever is good on one and bad on another is so for sure; folds are what tells luck."""
    noises = [on_data_sets(apart, 0.1, folds, seed=seed).noise for seed in range(4)]
    assert np.mean(noises) == pytest.approx(0.1 / np.sqrt(3 * folds), rel=0.25)


def test_with_one_part_of_each_data_set_these_are_all_that_tells_luck():
    found = on_data_sets(0.1, 0.0, 3, first=3)
    assert found.is_measured and found.noise == pytest.approx(0.1 / np.sqrt(3), rel=0.25)


def diverged(count, size, trials=30):
    """Scores on folds of differing hardness, and configurations that are worse by any amount."""
    stream = np.random.default_rng(2)
    configs = [SPACE.draw(stream) for _ in range(trials)]
    rows = [[bowl(c) + h + 0.05 * stream.standard_normal() for h in (0.0, 0.3, 0.6, 0.2, 0.1)] for c in configs]
    told = [_trial(config, row) for config, row in zip(configs, rows)]
    for _ in range(count):
        told.append(_trial(SPACE.draw(stream), (size * (1 + stream.random(5))).tolist()))
    return merits(history_of(told, Problem(SPACE)), FIVE)


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("size", [1e3, 1e9, 1e20])
def test_what_diverged_takes_no_digit_from_the_others(count, size):
    clean, told = diverged(0, 0.0), diverged(count, size)
    assert told.observed[:30] == pytest.approx(clean.observed, abs=0.02)
    assert told.mean[:30] == pytest.approx(clean.mean, abs=0.06)
    assert told.noise == pytest.approx(clean.noise, rel=0.3)
    assert (told.mean[30:] > 0.5 * size).all()


def test_no_merits_without_a_complete_trial_or_with_several_objectives():
    assert merits(history_of([], Problem(SPACE))) is None
    assert merits(history_of([{"params": {"x": 0.1, "y": 0.1}, "value": 1.0, "state": PRUNED}], Problem(SPACE))) is None
    both = Problem(SPACE, (Objective("a", "minimize"), Objective("b", "minimize")))
    assert merits(history_of([{"params": {"x": 0.1, "y": 0.1}, "values": (1.0, 2.0)}], both)) is None


def test_of_many_the_best_and_their_neighbours_count():
    history = by_values(1, 0.0, trials=700)
    found = merits(history)
    assert len(found.configurations) == 512
    assert min(each.losses[0] for each in found.configurations) == min(history.values[:, 0])


@settings(max_examples=60)
@given(histories())
def test_whatever_happened_there_are_numbers(history):
    found = merits(history)
    if found is not None:
        assert np.isfinite(found.mean).all()
        assert 0 <= found.chance(0, len(found.mean) - 1) <= 1
        assert not np.isnan(found.covariance).any()


def on_sets(seed, summary, sd=0.1, trials=25, apart=5.0):
    """Losses on three folds of three data sets, on which the best configurations are far from one another."""
    stream = np.random.default_rng(seed)
    configs = [SPACE.draw(stream) for _ in range(trials)]
    parts = tuple(Part(f"{name}/{k}", name, train=2, test=1) for k in range(3) for name in "abc")
    design = Design(parts, summary, 0.75)
    true = np.array([[bowl(c), apart * (1.0 - c["x"]), apart * c["x"]] for c in configs])
    hard = stream.standard_normal((3, 3))
    scores = true[:, None, :] + hard + sd * stream.standard_normal((trials, 3, 3))

    def value(means):
        return float((design.weights(means[None]) * means).sum())

    told = [
        {
            "params": config,
            "value": value(row.mean(axis=0)),
            "reports": [
                Report(0, {"value": float(row[k, d])}, fold=f"{name}/{k}")
                for k in range(3)
                for d, name in enumerate("abc")
            ],
        }
        for config, row in zip(configs, scores)
    ]
    return merits(history_of(told, Problem(SPACE)), design), np.array([value(row) for row in true + hard.mean(axis=0)])


@pytest.mark.parametrize("summary", ["mean", "worst", "quantile"])
def test_how_data_sets_differ_is_no_noise_and_how_their_folds_do_is(summary):
    """However far apart data sets are, and whichever of them counts: folds tell how sure a summary is."""
    pulls, noises = [], []
    for seed in range(8):
        found, true = on_sets(seed, summary)
        off = found.mean - true
        pulls += [(off[i] - off[j]) / found.errors(i)[j] for i in range(len(off)) for j in range(i)]
        noises.append(found.noise)
        assert found.is_measured
    most = 0.1 / np.sqrt(3)
    assert (most / 3 if summary == "mean" else most / 2) < np.mean(noises) < 1.6 * most
    assert 0.5 < np.std(pulls) < 1.3  # folds share training rows, whose luck is counted, and is not here
