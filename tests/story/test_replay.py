"""The same log gives the same study: after any cut, in any process, with any sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter.core.events import Ended, Started
from kilter.core.problem import Problem
from kilter.engine import snapshot
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.runtime.blas import single_threaded
from kilter.samplers import RandomSampler

SAMPLERS = ["random", "grid", "sobol", "evolution", "auto"]


def space() -> kilter.Space:
    return kilter.Space(
        {
            "model": kilter.Choice(
                {"svm": {"C": kilter.Float(1e-3, 1e3, log=True)}, "forest": {"depth": kilter.Int(1, 30)}}
            ),
            "scale": kilter.Boolean(),
            "size": kilter.Ordinal([16, 32, 64], default=32),
        }
    )


def loss(params: dict[str, Any]) -> float:
    return float(params.get("C", params.get("depth", 0)) + params["scale"] + params["size"])


def log_of(study: kilter.Study) -> list[Any]:
    """The log without time stamps and names of workers."""
    plain = []
    for _, event in study.log.read():
        event = replace(event, time=0.0)
        plain.append(replace(event, worker="") if isinstance(event, Started) else event)
    return plain


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_two_runs_write_the_same_log(sampler: str, tmp_path: Path) -> None:
    logs = []
    for name, storage in (("a", None), ("b", f"sqlite:///{tmp_path / 'k.db'}")):
        study = kilter.create_study(space=space(), sampler=sampler, seed=5, storage=storage, study_name=name)
        study.optimize(lambda trial: loss(trial.params), n_trials=40, progress="none")
        logs.append(log_of(study))
    assert logs[0] == logs[1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_resumed_at_every_cut_goes_on_as_if_it_had_not_stopped(sampler: str, tmp_path: Path) -> None:
    whole = kilter.create_study(space=space(), sampler=sampler, seed=5)
    whole.optimize(lambda trial: loss(trial.params), n_trials=30, progress="none")
    url = f"sqlite:///{tmp_path / 'k.db'}"
    for _ in range(30):
        part = kilter.create_study(
            space=space(), sampler=sampler, seed=5, storage=url, study_name="s", load_if_exists=True
        )
        part.optimize(lambda trial: loss(trial.params), n_trials=1, progress="none")
    assert [trial.params for trial in part.trials] == [trial.params for trial in whole.trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_parallel_run_can_be_replayed_from_what_it_had_seen(sampler: str) -> None:
    clock = VirtualClock()
    study = kilter.create_study(space=space(), sampler=sampler, seed=5, clock=clock)

    def timed(params: dict[str, Any]) -> tuple[float, float]:
        return loss(params), 1.0 + params["size"] % 7

    study.optimize(timed, n_trials=40, executor=Simulated(4, clock), progress="none")
    entries = study.log.read()
    again = kilter.create_study(space=space(), sampler=sampler, seed=5)._session.engine
    for entry in entries[1:]:
        if isinstance(entry.event, Started):
            assert entry.event.seen == again.position or again.position == 1
            with single_threaded():  # as suggestions are made: with two BLAS threads the last bits may differ
                assert again.propose(entry.event.number) == entry.event.params
        again.handle([entry])
    assert sum(isinstance(entry.event, Ended) for entry in entries) == 40


def test_a_resumed_study_repeats_no_point(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    for _ in range(2):
        study = kilter.create_study(
            space={"x": kilter.Float(0, 1)}, sampler="random", seed=9, storage=url, study_name="s", load_if_exists=True
        )
        study.optimize(lambda x: x, n_trials=15, progress="none")
    assert len({trial.params["x"] for trial in study.trials}) == 30


def test_snapshots_are_an_optimisation(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = kilter.create_study(space=space(), sampler="evolution", seed=5, storage=url, study_name="s")
    study.optimize(lambda trial: loss(trial.params), n_trials=40, progress="none")
    session = study._session
    kept = session.storage.load_snapshot(session.study, snapshot.VERSION)
    assert kept is not None
    session.storage.save_snapshot(session.study, kept[0] + 1, snapshot.VERSION, b"not a snapshot")
    replayed = kilter.load_study(storage=url)
    assert [t.params for t in replayed.trials] == [t.params for t in study.trials]
    assert replayed._session.engine.propose(40) == session.engine.propose(40)


@dataclass
class Told:
    seed: int
    numbers: object


@dataclass(frozen=True)
class Remembering(RandomSampler):
    """Keeps what JSON cannot hold in its state."""

    def start(self, problem: Problem, seed: int) -> Told:
        return Told(seed, set())


def test_a_state_that_cannot_be_stored_costs_snapshots_and_nothing_else(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = kilter.create_study(space=space(), sampler=Remembering(), storage=url, study_name="s")
    with pytest.warns(UserWarning, match="no snapshot of 's' .* Remembering: the field 'numbers' of the state Told"):
        study.optimize(lambda trial: loss(trial.params), n_trials=3, progress="none")
    study.optimize(lambda trial: loss(trial.params), n_trials=3, progress="none")  # said once: a warning is an error
    again = kilter.load_study(storage=url, study_name="s", sampler=Remembering())
    assert [trial.params for trial in again.trials] == [trial.params for trial in study.trials]
