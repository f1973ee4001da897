"""Workers on hosts of their own, one database: a cable is pulled, a host loses its power, and all trials are there."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.proxy import Proxy
from tests.story.hosts import Hosts, missing
from tests.story.test_joining import until

import kilter
from kilter.core.events import Ended, Started, TrialState

if TYPE_CHECKING:
    from tests.postgres import Server

pytestmark = pytest.mark.story

TRIALS = 14

WORKER = """
import os, socket, sys, time
import kilter

def loss(x, trial):
    host = socket.gethostname()
    open(f"{trial.number}-{trial.attempt}-{host}", "w").close()
    while os.path.exists(f"held-{host}"):
        time.sleep(0.01)
    time.sleep(0.02)
    return x

os.chdir(sys.argv[2])
study = kilter.load_study(storage=sys.argv[1], study_name="s", lease=1.2, worker=socket.gethostname())
study.optimize(loss, limits=kilter.Limits(trials=TRIALS), progress="none")
""".replace("TRIALS", str(TRIALS))


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if reason := missing():
        pytest.skip(reason)
    with Hosts("node1", "node2", "node3") as made:
        yield made


def test_a_cable_is_pulled_and_a_host_loses_its_power(
    hosts: Hosts, postgresql_server: Server, postgresql_url: str, tmp_path: Path
) -> None:
    study = kilter.create_study(
        storage=postgresql_url, study_name="s", space={"x": kilter.Float(0, 1)}, sampler="random", seed=0
    )
    database = postgresql_url.partition("?")[0].rpartition("/")[2]

    def begun(host: str) -> list[str]:
        return sorted(path.name for path in tmp_path.glob(f"*-*-{host}") if not path.name.startswith("held"))

    def start(host: str) -> None:
        (tmp_path / f"held-{host}").touch()
        workers[host] = hosts.start(host, sys.executable, "-c", WORKER, url, tmp_path)
        until(lambda: begun(host) or workers[host].poll() is not None)
        assert workers[host].poll() is None, workers[host].communicate()[1]

    with Proxy(postgresql_server.port, hosts.address) as outside:
        url = postgresql_server.tcp_url(database, outside.port).replace("127.0.0.1", hosts.address) + "?sslmode=disable"
        workers = {}
        start("node1")
        start("node2")
        machines = {worker.machine for worker, _ in study._session.storage.leases(1)}
        hosts.cut("node1")
        workers["node2"].kill()
        start("node3")
        # The others are missed: a run that has done all the rest before their leases are over does not wait for them.
        until(lambda: sum(left < 0 for _, left in study._session.storage.leases(1)) == 2)
        (tmp_path / "held-node3").unlink()
        until(lambda: {"0-2-node3", "1-2-node3"} <= set(begun("node3")))
        hosts.join("node1")
        (tmp_path / "held-node1").unlink()
        for host in ("node1", "node3"):
            _, errors = workers[host].communicate(timeout=60)
            assert workers[host].returncode == 0, errors

    assert machines == {"node1", "node2"}
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    events = [entry.event for entry in study.log.read()]
    assert sorted(e.number for e in events if isinstance(e, Ended) and e.failure and e.failure.kind == "lost") == [0, 1]
    assert [e.number for e in events if isinstance(e, Ended) and e.late] == [0]  # told when the cable was in again
    counted = Counter(e.number for e in events if isinstance(e, Ended) and e.metrics and not e.late)
    assert set(counted.values()) == {1} and len(counted) == TRIALS
    authors = {e.worker.partition(".")[0] for e in events if isinstance(e, Started)}
    assert authors == {"node1", "node2", "node3"}
