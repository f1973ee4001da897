"""A replica knows of a log what an engine knows, at every place, and needs no plug-in for it."""

from __future__ import annotations

from tests.engine.test_engine import replicated
from tests.engine.test_snapshot import LOG, PROBLEM

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
