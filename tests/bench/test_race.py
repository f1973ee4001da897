"""Runs are the same in one process or several, go on where a file left off, and note what went wrong."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kilter.bench import delayed, failing, find, noisy, race, read_runs
from kilter.bench.problem import own
from kilter.bench.race import Run
from kilter.core.errors import InvalidInput, StorageError, UnknownName
from kilter.core.interfaces import Capabilities
from kilter.core.numbers import Float
from kilter.core.options import Choice
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.samplers.evolution import EvolutionSampler
from kilter.samplers.random import RandomSampler

TIMES = ("ask_ms", "tell_ms")


def timeless(runs: list[Run]) -> list[dict[str, Any]]:
    """What must be equal in two races."""
    return [{name: value for name, value in vars(run).items() if name not in TIMES} for run in runs]


@dataclass(frozen=True)
class Breaking(RandomSampler):
    """Fails at its fifth trial."""

    def ask(self, state: Any, history: Any, number: int) -> Any:
        if number == 4:
            raise RuntimeError("out of ideas")
        return super().ask(state, history, number)


@dataclass(frozen=True)
class Modest(RandomSampler):
    """Handles one objective."""

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)


def test_the_incumbent_is_the_best_value_so_far() -> None:
    (run,) = race(find(["branin"]), ["random"], seeds=[3], budget=15)
    seen = [values[0] for values in run.values]
    assert run.incumbent == [min(seen[: i + 1]) for i in range(15)]
    assert (run.seed, run.budget, run.failures, run.error) == (3, 15, 0, None)
    assert len(run.ask_ms) == len(run.tell_ms) == len(run.ended) == 15
    assert run.versions["kilter"]


def test_a_maximised_incumbent_rises_and_an_infeasible_one_does_not_count() -> None:
    rising, constrained = race(find(["pipeline", "pressure-vessel"]), ["random"], seeds=[0], budget=20)
    assert rising.incumbent == [max(values[0] for values in rising.values[: i + 1]) for i in range(20)]
    assert None in constrained.values
    feasible = [values[0] for values in constrained.values if values is not None]
    assert constrained.incumbent[-1] == min(feasible)


def test_noise_is_seen_by_the_sampler_and_not_by_the_score() -> None:
    (problem,) = find(["branin"])
    (run,) = race([noisy(problem, 5.0)], ["random"], seeds=[0], budget=30)
    (still,) = race([problem], ["random"], seeds=[0], budget=30)
    truths = [values[0] for values in still.values]
    seen = [values[0] for values in run.values]
    assert all(s != t for s, t in zip(seen, truths))
    assert run.incumbent[-1] == truths[seen.index(min(seen))]
    assert [count for count, _ in run.recommended] == [5, 10, 15, 20, 25, 30]
    assert all(value in truths for _, value in run.recommended)
    assert still.recommended == []


def test_several_objectives_keep_their_points() -> None:
    (run,) = race(find(["zdt1"]), ["random"], seeds=[0], budget=8)
    assert run.truths == run.values
    assert len(run.values[0]) == 2
    assert run.incumbent == []


def test_processes_make_the_same_runs_in_the_same_order(tmp_path: Path) -> None:
    problems, seeds = find(["branin", "mixed+noisy"]), [2, 0]
    alone = race(problems, ["random", "evolution"], seeds, budget=12)
    together = race(problems, ["random", "evolution"], seeds, budget=12, out=tmp_path / "runs.jsonl", workers=2)
    assert timeless(together) == timeless(alone)
    assert [(run.seed, run.problem, run.sampler) for run in alone[:3]] == [
        (2, "branin", "random"),
        (2, "branin", "evolution"),
        (2, "mixed+noisy", "random"),
    ]
    assert {run.key for run in read_runs(tmp_path / "runs.jsonl")} == {run.key for run in alone}


def test_a_race_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "runs.jsonl"
    told: list[tuple[str, int, int]] = []
    first = race(find(["branin"]), ["random"], [0, 1], 5, out)
    both = race(
        find(["branin"]), ["random", "sobol"], [0, 1], 5, out, on_run=lambda run, n, m: told.append((run.sampler, n, m))
    )
    assert [run for run in both if run.sampler == "random"] == first
    assert told == [("sobol", 3, 4), ("sobol", 4, 4)]
    assert len(out.read_text().splitlines()) == 4
    assert race(find(["branin"]), ["random", "sobol"], [0, 1], 5, out) == both


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_line_is_run_again_and_harms_no_other(tmp_path: Path, kept: int) -> None:
    out = tmp_path / "runs.jsonl"
    first = race(find(["branin"]), ["random"], [0, 1], 5, out)
    lines = out.read_bytes().splitlines()
    out.write_bytes(lines[0] + b"\n" + lines[1][:kept])
    again = race(find(["branin"]), ["random"], [0, 1, 2], 5, out)
    assert timeless(again[:2]) == timeless(first)
    assert again[0] == first[0]
    assert read_runs(out) == again


def test_a_problem_that_changed_is_run_again(tmp_path: Path) -> None:
    (branin,) = find(["branin"])
    other = replace(branin, function=lambda values: {"value": values["x1"]})
    out = tmp_path / "runs.jsonl"
    race([branin], ["random"], [0], 5, out)
    race([other], ["random"], [0], 5, out)
    assert len({run.fingerprint for run in read_runs(out)}) == 2


def test_slots_run_trials_side_by_side_in_simulated_time() -> None:
    (problem,) = find(["branin"])
    slow = delayed(problem, lambda values: 1.0 + values["x2"])
    (one,) = race([slow], ["random"], [0], 12)
    (four,) = race([slow], ["random"], [0], 12, slots=4)
    assert four.ended == sorted(four.ended)
    assert four.ended[-1] < 0.5 * one.ended[-1]
    assert sorted(v[0] for v in four.values) == sorted(v[0] for v in one.values)
    assert four.values != one.values


def test_failures_are_counted_and_their_first_reason_kept() -> None:
    (problem,) = find(["branin"])
    (raised,) = race([failing(problem, 0.4)], ["random"], [0], 20)
    (nan,) = race([failing(problem, 0.4, nan=True)], ["random"], [0], 20)
    for run in (raised, nan):
        assert 0 < run.failures == run.values.count(None) < 20
    assert "ArithmeticError" in raised.failure
    assert "nan" in nan.failure


def test_a_finite_space_ends_a_run_early() -> None:
    problem = own("letters", Problem(Space({"c": Choice(["a", "b", "c"])})), lambda c: float(ord(c)))
    (run,) = race([problem], ["grid"], [0], 10)
    assert run.incumbent == [97.0] * len(run.incumbent)
    assert len(run.values) == 3


def test_a_users_objective_is_evaluated_once_a_trial() -> None:
    calls: list[float] = []
    problem = own("mine", Problem(Space({"x": Float(0, 1)})), lambda x: calls.append(x) or math.sqrt(x))
    (run,) = race([problem], ["random"], [0], 7)
    assert len(calls) == 7
    assert run.best is run.typical is None


def test_a_sampler_that_fails_ends_its_own_run_and_has_it_made_again(tmp_path: Path) -> None:
    out = tmp_path / "runs.jsonl"
    broken, fine = race(find(["branin"]), {"broken": Breaking(), "random": "random"}, [0], 10, out)
    assert broken.error == "RuntimeError: out of ideas"
    assert len(broken.values) == 4
    assert fine.error is None
    mended, _ = race(find(["branin"]), {"broken": RandomSampler(), "random": "random"}, [0], 10, out)
    assert mended.error is None
    assert [run.error for run in read_runs(out)] == [None, None]
    (refused,) = race(find(["zdt1"]), {"modest": Modest()}, [0], 10)
    assert refused.error.startswith("IncapableSampler")


def test_a_worker_that_dies_costs_its_run_alone() -> None:
    import os

    deadly = own("deadly", Problem(Space({"x": Float(0, 1)})), lambda x: os._exit(3))
    runs = race([deadly, *find(["branin"])], ["random"], [0], 5, workers=2)
    assert [run.error is None for run in runs] == [False, True]


def test_samplers_are_labelled_by_name_and_settings() -> None:
    runs = race(find(["branin"]), ["random", EvolutionSampler(population=8)], [0], 3)
    assert [run.sampler for run in runs] == ["random", "evolution(population=8)"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"samplers": ["randm"]}, UnknownName, "did you mean 'random'"),
        ({"samplers": ["random", "random"]}, InvalidInput, "two samplers are called 'random'"),
        ({"problems": find(["branin"]) * 2}, InvalidInput, "two problems"),
        ({"budget": 0}, InvalidInput, "budget=0"),
        ({"seeds": []}, InvalidInput, "seeds"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    given = {"problems": find(["branin"]), "samplers": ["random"], **arguments}
    with pytest.raises(error, match=said):
        race(**given)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text(json.dumps({"a": 1}) + "\n")
    with pytest.raises(InvalidInput, match=r"line 1 of .* is not a run"):
        read_runs(tmp_path / "other.jsonl")
    with pytest.raises(StorageError, match="cannot read"):
        read_runs(tmp_path / "none.jsonl")
