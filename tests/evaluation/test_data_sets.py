"""Several data sets at once: what summaries mean, and that an estimator is ranked wherever it is sent."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter import Float
from kilter.evaluation import DataSets, Holdout

X = np.linspace(0.0, 1.0, 12)[:, None]
SETS = {name: (X, unit * (X[:, 0] - 0.3)) for name, unit in (("a", 1.0), ("b", 1000.0), ("c", 0.001))}
SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-99, 99), min_size=1)


def summed(summary: str, scores: dict[str, float], sign: float = 1.0, level: float = 0.75) -> float:
    evaluation = DataSets(dict.fromkeys(scores, (X,)), Holdout(0.5), summary=summary, level=level)
    return evaluation.summed(list(scores), list(scores.values()), sign)


@given(SCORES, st.floats(0, 1), st.randoms())
def test_summaries_know_no_order_of_data_sets_and_mirror_directions(
    scores: dict[str, float], level: float, random: object
) -> None:
    items = list(scores.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    for summary in ("mean", "worst", "quantile"):
        told = summed(summary, scores, level=level)
        assert told == pytest.approx(summed(summary, dict(items), level=level))
        assert told == pytest.approx(-summed(summary, {k: -v for k, v in scores.items()}, -1.0, level))


@given(SCORES)
def test_the_worst_is_the_last_quantile_and_never_better_than_the_mean(scores: dict[str, float]) -> None:
    assert summed("worst", scores) == summed("quantile", scores, level=1.0) == max(scores.values())
    assert summed("worst", scores, -1.0) == min(scores.values())
    assert summed("quantile", scores, level=0.0) == min(scores.values())
    assert summed("mean", scores) <= summed("worst", scores) + 1e-9


def test_a_data_set_with_many_folds_counts_as_much_as_one_with_few() -> None:
    evaluation = DataSets({"a": (X,), "b": (X,)}, Holdout(0.5))
    assert evaluation.summed(["a", "a", "a", "b"], [1.0, 1.0, 1.0, 3.0], 1.0) == 2.0


def test_an_estimator_is_ranked_wherever_it_is_sent() -> None:
    from sklearn.linear_model import Ridge

    objective = DataSets(SETS, Holdout(0.5), summary="rank").objective(Ridge(), scoring="neg_mean_absolute_error")
    sent = pickle.loads(pickle.dumps(objective))
    one, other = (
        kilter.tune(each, {"alpha": Float(1e-3, 100, log=True)}, n_trials=6, seed=0, storage=None, progress="none")
        for each in (objective, sent)
    )
    assert [trial.value for trial in one.trials] == [trial.value for trial in other.trials]
    assert one.trials[0].params == {"alpha": 1.0} and one.design.summary == "rank"
    assert one.best_params["alpha"] == min(trial.params["alpha"] for trial in one.trials)
    assert 0.5 < one.best_value < 1.0


@pytest.mark.parametrize("summary", ["worst", "quantile"])
def test_a_race_ends_nothing_that_may_be_best_where_it_counts(summary: str) -> None:
    """What is the same everywhere is behind on all data sets but the last, and the best on the worst of them."""

    def loss(train, test, *, x=0.5):
        return 1.0 if x < 0.15 else 3.0 + x if test[0][0] == 5 else 0.2

    sets = {name: (np.full(4, float(i)),) for i, name in enumerate("abcdef")}
    objective = DataSets(sets, Holdout(0.5), summary=summary, level=1.0).objective(loss)
    study = kilter.create_study(space={"x": Float(0, 1)}, sampler="random", scheduler="race", seed=0)
    study.optimize(objective, n_trials=20, progress="none")
    assert study.best_value == 1.0
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
