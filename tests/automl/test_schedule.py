"""The order in which candidates meet folds, on scores that are given: no model is fitted here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kilter import Choice, Float, Study, create_study
from kilter.automl.proposals import PortfolioSampler
from kilter.automl.schedule import FoldScheduler, scores
from kilter.core.errors import TrialPruned
from kilter.core.events import TrialState

FOLDS = 5
SPACE = {
    "member": Choice(["trees", "net", "line"]),
    **{f"{name}.x": Float(0, 1, default=0.5).when(member=name) for name in ("trees", "net", "line")},
    "target": Choice(["identity", "log1p"], default="identity"),
}
TREES = ({"member": "trees", "target": "identity"}, {"member": "trees", "target": "log1p"})
PORTFOLIO = (*TREES, {"member": "net"}, {"member": "line"}, {"member": "trees", "trees.x": 0.9})
Level = Callable[[Mapping[str, Any]], float]


class Simulation:
    """An objective whose scores follow from the configuration; it remembers which folds were met, in order."""

    def __init__(self, level: Level) -> None:
        self.level, self.done, self.met = level, {}, []  # type: ignore[var-annotated]

    def __call__(self, trial: Any) -> float:
        mine = self.done.setdefault(trial.number, [])
        for fold, score in enumerate(mine):
            trial.report(score, fold=fold)
        for fold in range(len(mine), FOLDS):
            mine.append(self.level(trial.params) + 0.01 * fold)
            self.met.append((trial.number, fold))
            trial.report(mine[-1], fold=fold)
            if fold + 1 < FOLDS and trial.should_prune():
                raise TrialPruned
        return sum(mine) / FOLDS


def alike(params: Mapping[str, Any]) -> float:
    return 0.8 + 0.01 * params[f"{params['member']}.x"] + 0.01 * (params["target"] == "log1p")


def run(
    level: Level = alike, n_jobs: int = 1, beyond: str = "", fits: Any = None, **settings: Any
) -> tuple[Study, Simulation]:
    simulation = Simulation(level)
    timed = {"clock": settings.pop("clock")} if "clock" in settings else {}
    sampler = PortfolioSampler(settings.pop("entries", PORTFOLIO), beyond, *[fits] * (fits is not None))
    opening = {"opening": 2, "perfect": 1.0, "listed": lambda history: sampler.next(history) is not None, **settings}
    study = create_study(
        space=SPACE, direction="maximize", sampler=sampler, scheduler=FoldScheduler(FOLDS, **opening), seed=3, **timed
    )
    study.optimize(simulation, n_jobs=n_jobs, progress="none")
    return study, simulation


def test_what_opens_meets_all_folds_and_then_one_fold_of_everything_is_met_before_a_second_one_of_anything() -> None:
    _, simulation = run()
    assert simulation.met[: 2 * FOLDS] == [(number, fold) for number in (0, 1) for fold in range(FOLDS)]
    assert simulation.met[2 * FOLDS :][:3] == [(2, 0), (3, 0), (4, 0)]


def test_all_are_complete_where_there_is_time_and_none_is_hopeless() -> None:
    study, simulation = run()
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert len(simulation.met) == len(set(simulation.met)) == FOLDS * len(PORTFOLIO)


def test_the_better_scale_of_those_that_open_is_taken_for_all_others() -> None:
    for better in ("identity", "log1p"):
        study, _ = run(lambda params, better=better: 0.8 + 0.1 * (params["target"] == better))
        assert {trial.params["target"] for trial in study.trials[2:]} == {better}


def test_new_families_are_completed_before_the_better_ones_of_known_families() -> None:
    _, simulation = run(lambda params: {"trees": 0.8, "net": 0.79, "line": 0.78}[params["member"]])
    resumed = [number for number, fold in simulation.met if fold == 1 and number > 1]
    assert resumed == [2, 3, 4]


def test_the_hopeless_one_is_stopped_after_a_fold() -> None:
    study, _ = run(lambda params: 0.1 if params["member"] == "line" else alike(params))
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.PRUNED) == 1 and study.trials[3].state is TrialState.PRUNED
    assert scores(3, study.history) == pytest.approx([0.1])


def test_a_family_that_is_new_may_be_further_behind() -> None:
    behind = 0.8 - 1.2 * 2 * 0.0141  # beside the spread of five folds that rise by .01
    best = {"member": "trees", "trees.x": 0.5}
    study, _ = run(lambda params: 0.8 if best.items() <= params.items() else behind, perfect=0.8)
    assert [trial.state.name for trial in study.trials[2:]] == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_a_family_whose_best_was_hopeless_gets_no_second_turn_before_better_ones() -> None:
    firsts = iter([0.8, 0.8])  # of two networks, whose other folds are bad

    def level(params: Mapping[str, Any]) -> float:
        return next(firsts, 0.2) if params["member"] == "net" else alike(params)

    study, simulation = run(level, entries=(*PORTFOLIO, {"member": "net", "net.x": 0.9}))
    resumed = [number for number, fold in simulation.met if fold == 1 and number > 1]
    assert study.trials[2].state is TrialState.PRUNED
    assert resumed.index(2) < resumed.index(4) < resumed.index(5)


def test_looks_end_when_their_time_is_over() -> None:
    _, simulation = run(looks=0.0)
    assert simulation.met[2 * FOLDS :][:FOLDS] == [(2, fold) for fold in range(FOLDS)]


def test_what_does_not_fit_any_more_stays_put_aside_and_can_go_on_later() -> None:
    study, simulation = run(allows=lambda seconds: False)
    assert [trial.state.name for trial in study.trials[2:]] == ["PAUSED"] * 3
    study.scheduler = FoldScheduler(FOLDS, opening=2, perfect=1.0)
    study.optimize(simulation, progress="none")
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert len(simulation.met) == len(set(simulation.met))


def test_where_the_other_folds_cannot_be_encoded_in_time_there_are_first_looks_alone() -> None:
    study, simulation = run(opening=0, encodes=lambda: 9.0, allows=lambda seconds: seconds < 5.0)
    assert [fold for _, fold in simulation.met] == [0] * len(study.trials) and len(study.trials) > 2


def test_what_takes_half_of_the_time_that_is_left_comes_after_what_does_not() -> None:
    now = [0.0]

    def level(params: Mapping[str, Any]) -> float:
        now[0] += 0.1 if params["member"] == "net" else 0.0
        return 0.85 if params["member"] == "net" else alike(params)

    _, simulation = run(level, allows=lambda seconds: seconds < 0.6, clock=lambda: now[0])
    resumed = [number for number, fold in simulation.met if fold == 1 and number > 1]
    assert resumed == [3, 4, 2]


def test_entries_that_do_not_fit_are_passed_over() -> None:
    study, _ = run(fits=lambda config: config["member"] != "net")
    assert "net" not in {trial.params["member"] for trial in study.trials}


def test_a_number_of_models_makes_the_same_ones_whatever_the_threads() -> None:
    made = []
    for n_jobs in (1, 2, 1):
        study, simulation = run(n_jobs=n_jobs, beyond="random", models=7)
        assert len(study.trials) == 7 and len(simulation.met) == 7 * FOLDS
        made.append([(trial.params, trial.value) for trial in study.trials])
    assert made[0] == made[1] == made[2]


def test_nothing_else_begins_while_that_which_opens_is_not_through() -> None:
    ended = threading.Event()
    seen: list[bool] = []

    def level(params: Mapping[str, Any]) -> float:
        if params["member"] == "trees" and params["trees.x"] == 0.5:
            if params["target"] == "log1p":
                ended.set()
        else:
            seen.append(ended.is_set())
        return alike(params)

    study, _ = run(level, n_jobs=2, models=5)
    assert all(seen) and {trial.params["target"] for trial in study.trials[2:]} == {"log1p"}


def test_the_sampler_that_goes_on_takes_over_after_the_portfolio() -> None:
    study, _ = run(beyond="random", models=9)
    assert [trial.params["member"] for trial in study.trials[:5]] == ["trees", "trees", "net", "line", "trees"]
    assert len({str(trial.params) for trial in study.trials}) == 9
