"""A replica knows of a log what an engine knows, at every place, and needs no plug-in for it."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st
from tests.engine.test_engine import replicated
from tests.engine.test_snapshot import LOG, PROBLEM

import kilter
from kilter.core.events import Entry, SpaceExtended
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.problem import Problem
from kilter.core.simplex import Simplex
from kilter.core.space import Space
from kilter.engine import snapshot
from kilter.engine.replica import Replica


def test_it_agrees_with_an_engine_at_every_place():
    replica, engine = Replica(PROBLEM, LOG.seed), LOG.replayed(0)
    assert replicated(replica) == replicated(engine)
    for entry in LOG.entries:
        replica.handle([entry])
        engine.handle([entry])
        assert replicated(replica) == replicated(engine)


def test_it_takes_its_part_of_a_snapshot_and_reads_on():
    for cut in (1, len(LOG.entries) // 2, len(LOG.entries)):
        replica = Replica(PROBLEM, LOG.seed)
        snapshot.loads(replica, snapshot.dumps(LOG.replayed(cut)))
        assert replicated(replica) == replicated(LOG.replayed(cut))
        replica.handle(LOG.entries[cut:])
        assert replicated(replica) == replicated(LOG.engine)


@given(st.permutations(range(4)))
def test_parameters_are_taken_in_whichever_comes_first_though_one_is_conditional_on_another(order):
    """As a trial that was run elsewhere lists them."""
    met = [
        ("z", Float(0, 1).when(k="a")),
        ("k", Choice(["a", "b"]).when(m=2)),
        ("m", Int(1, 3)),
        ("lost", Float(0, 1).when(nobody="knows")),
    ]
    replica = Replica(Problem(Space()), 0)
    grown = SpaceExtended({met[i][0]: met[i][1].to_json() for i in order}, 1.0)
    replica.handle([Entry(1, grown)])
    assert set(replica.problem.space.names) == {"z", "k", "m"}


def test_what_is_conditional_on_a_name_that_another_worker_had_first_is_that_trials_alone():
    study = kilter.create_study(seed=0)
    first, second = study.ask(2)
    first.suggest("w", Simplex(3))
    second.suggest("w", Choice(["a", "b"]))
    second.suggest("x", Float(0, 1))
    for trial in (first, second):
        study.tell(trial, 0.5)
    assert study.space.declared.keys() == {"w"}
    assert [trial.state for trial in copy.copy(study).trials] == [kilter.TrialState.COMPLETE] * 2
