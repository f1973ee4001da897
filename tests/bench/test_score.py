"""Figures of runs that are written down by hand, and laws of the comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.bench import score
from kilter.bench.race import Run
from kilter.core.errors import InvalidInput

BUDGET = 20


def run(sampler: str, incumbent: list[float | None], **changes: Any) -> Run:
    """A run of a problem whose best is 0 and whose typical value is 10."""
    known = {"problem": "p", "fingerprint": "f", "seed": 0, "budget": BUDGET, "slots": 1, "noisy": False}
    known |= {"objectives": [["value", "minimize"]], "best": 0.0, "typical": 10.0, "reference": None}
    values = [None if v is None else [v] for v in incumbent]
    return Run(**{**known, "sampler": sampler, "incumbent": incumbent, "values": values, "ask_ms": [1.0], **changes})


def steady(sampler: str, value: float | None, **changes: Any) -> Run:
    return run(sampler, [value] * BUDGET, **changes)


incumbents = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 5.0, 12.0]), st.floats(-1, 20))


@st.composite
def races(draw: st.DrawFn) -> list[Run]:
    samplers = ["a", "b", "c"][: draw(st.integers(2, 3))]
    cells = [(p, s) for p in "pq" for s in range(draw(st.integers(1, 3)))]
    return [steady(a, draw(incumbents), problem=p, seed=s) for a in samplers for p, s in cells]


@given(races())
def test_laws_of_a_table(runs: list[Run]) -> None:
    table = score(runs, at=[5, BUDGET])
    assert table.checkpoints == (5, BUDGET)
    count = len(table.rows)
    assert sum(row.rank for row in table.rows) == pytest.approx(count * (count + 1) / 2)
    for row in table.rows:
        for interval in row.regret:
            assert 0 <= interval.low <= interval.mean + 1e-12
            assert interval.mean <= interval.high + 1e-12 <= 1 + 1e-9
        assert all(-3 - 1e-9 <= interval.mean <= 1e-9 for interval in row.log_regret)
        for other, share in table.wins[row.sampler].items():
            assert share + table.wins[other][row.sampler] == pytest.approx(1)
        beaten = sum(table.wins[row.sampler].values())
        assert row.rank == pytest.approx(count - beaten)


@settings(max_examples=30)
@given(races(), st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(runs: list[Run], random: Any) -> None:
    table = score(runs, at=[BUDGET])
    random.shuffle(runs)
    assert score(runs, at=[BUDGET]) == table


def test_regret_is_normalised_clipped_and_floored() -> None:
    table = score(
        [steady("good", 1.0), steady("perfect", -0.1), steady("poor", 30.0), steady("none", None)], at=[BUDGET]
    )
    regret = {row.sampler: row.regret[-1].mean for row in table.rows}
    log = {row.sampler: row.log_regret[-1].mean for row in table.rows}
    assert regret == pytest.approx({"good": 0.1, "perfect": 0.0, "poor": 1.0, "none": 1.0})
    assert log == pytest.approx({"good": -1.0, "perfect": -3.0, "poor": 0.0, "none": 0.0})
    assert [row.sampler for row in table.rows] == ["perfect", "good", "none", "poor"]
    assert {row.sampler: row.rank for row in table.rows} == {"perfect": 1, "good": 2, "poor": 3, "none": 4}
    noisy = score([steady("perfect", 0.0, noisy=True), steady("poor", 30.0, noisy=True)], at=[BUDGET])
    assert noisy.rows[0].log_regret[-1].mean == pytest.approx(-2)


def test_a_maximised_objective_has_its_best_above() -> None:
    way = {"objectives": [["acc", "maximize"]], "best": 1.0, "typical": 0.5}
    table = score([steady("a", 0.9, **way), steady("b", 0.6, **way)], at=[BUDGET])
    assert [(row.sampler, round(row.regret[-1].mean, 9)) for row in table.rows] == [("a", 0.2), ("b", 0.8)]


def test_checkpoints_read_the_incumbent_of_then() -> None:
    falling = run("a", [10.0 - i / 2 for i in range(BUDGET)])
    table = score([falling, steady("b", 9.0)], at=[1, 11, BUDGET])
    row = next(row for row in table.rows if row.sampler == "a")
    assert [round(interval.mean, 9) for interval in row.regret] == [1.0, 0.5, 0.05]
    short = score([falling, steady("b", 9.0)], at=[10, 50])
    assert short.checkpoints == (10,)
    assert "no figures at 50" in short.notes[0]
    assert score([falling]).checkpoints == (BUDGET,)


def test_a_run_that_ended_early_keeps_its_last_incumbent() -> None:
    table = score([run("a", [5.0]), steady("b", 9.0)], at=[BUDGET])
    assert table.rows[0].regret[-1].mean == pytest.approx(0.5)


def test_only_what_all_have_is_compared() -> None:
    runs = [steady("a", 0.0, seed=0), steady("a", 0.0, seed=1), steady("b", 5.0, seed=1)]
    table = score(runs, at=[BUDGET])
    assert table.runs == 1
    assert "left out 1 of 2" in table.notes[0]
    with pytest.raises(InvalidInput, match="share no problem and seed"):
        score([steady("a", 0.0, seed=0), steady("b", 0.0, seed=1)])
    with pytest.raises(InvalidInput, match="no runs"):
        score([])
    with pytest.raises(InvalidInput, match="checkpoints"):
        score(runs, at=[0])


def test_broken_and_outdated_runs_are_left_out_and_said() -> None:
    runs = [
        steady("a", 9.0, fingerprint="old"),
        steady("a", 1.0),
        steady("b", 2.0),
        steady("b", None, seed=1, error="RuntimeError: no"),
    ]
    table = score(runs, at=[BUDGET])
    assert table.rows[0].regret[-1].mean == pytest.approx(0.1)
    assert any("broke off: b on p: RuntimeError: no" in note for note in table.notes)
    assert any("have changed since" in note for note in table.notes)


def test_unknown_references_come_from_the_runs() -> None:
    unknown = {"best": None, "typical": None}
    a, b = run("a", [8.0] * 10 + [2.0] * 10, **unknown), run("b", [8.0] * BUDGET, **unknown)
    table = score([a, b], at=[10, BUDGET])
    assert {row.sampler: [i.mean for i in row.regret] for row in table.rows} == {"a": [1.0, 0.0], "b": [1.0, 1.0]}


def test_several_objectives_are_scored_by_their_hypervolume() -> None:
    way = {"objectives": [["f", "minimize"], ["g", "maximize"]], "best": 4.0, "typical": 0.0, "reference": [2.0, 0.0]}

    def points(sampler: str, *values: list[float] | None) -> Run:
        return replace(run(sampler, []), values=list(values), truths=list(values), budget=2, **way)

    table = score([points("a", [1.0, 1.0], [0.0, 2.0]), points("b", None, [1.0, 1.0])], at=[1, 2])
    regret = {row.sampler: [interval.mean for interval in row.regret] for row in table.rows}
    assert regret == {"a": [0.75, 0.0], "b": [1.0, 0.75]}
    loose = {"best": None, "typical": None, "reference": None}
    own = [replace(r, **loose) for r in (points("a", [1.0, 1.0], [0.0, 2.0]), points("b", None, [1.0, 1.0]))]
    assert [row.sampler for row in score(own, at=[2]).rows] == ["a", "b"]


def test_recommendations_replace_the_incumbent_where_they_are_asked_for() -> None:
    lucky = steady("a", 9.0, noisy=True, recommended=[[5, 4.0], [BUDGET, 1.0]])
    other = steady("b", 5.0, noisy=True)
    assert [row.sampler for row in score([lucky, other], at=[BUDGET]).rows] == ["b", "a"]
    table = score([lucky, other], at=[3, 7, BUDGET], recommended=True)
    assert [round(interval.mean, 9) for interval in table.rows[0].regret] == [0.9, 0.4, 0.1]


def test_intervals_cover_the_spread_of_problems_or_of_seeds() -> None:
    seeds = [steady("a", float(s), seed=s) for s in range(10)]
    wide = score(seeds, at=[BUDGET]).rows[0].regret[-1]
    assert 0.2 < wide.low < wide.mean < wide.high < 0.7
    twice = [replace(r, problem=p) for r in seeds for p in "pq"]
    assert score(twice, at=[BUDGET]).rows[0].regret[-1].low == pytest.approx(wide.mean)


def test_a_table_prints_a_line_a_sampler() -> None:
    lines = str(score([steady("a", 1.0), steady("b", 5.0)], at=[BUDGET])).splitlines()
    assert lines[0].split() == ["sampler", "regret@20", "log10@20", "rank", "ms/ask"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b"]
