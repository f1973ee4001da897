"""Rounds of chaos: workers on one study, and faults at moments and of kinds that follow from a seed.

A moment is a number of lines in the workers' diary; what runs then is as it is. After each fault the log is looked
over, and at the end of a round everything is.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.story.chaos import checker
from tests.story.chaos.proxy import Proxy

if TYPE_CHECKING:
    from tests.postgres import Server

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LEASE = 2.0
ELSEWHERE = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']
"""Runs a command, after a name, on a host of that name; for root, on Linux."""
CAN_BE_APART = os.name == "posix" and os.geteuid() == 0 and shutil.which("unshare") is not None
LAST = 600.0
"""Seconds within which workers that are left alone have to end."""
Fault = Callable[[], None]


@dataclass
class Arena:
    """Where a round takes place."""

    folder: Path
    url: str
    """The storage, as workers get there."""
    direct: str
    """The same for the checker, to whom nothing happens."""
    faults: dict[str, Fault] = field(default_factory=dict)
    """What can be done to it."""
    executor: str = "inline"
    slots: int = 1
    at_url: bool = False
    """Whether checkpoints are kept at a URL, from which workers bring them to folders of their own."""
    apart: bool = False
    """Whether each worker has a host name of its own, so that only its lease tells others that it is gone."""
    stays: Callable[[], list[int]] = list
    """The processes that are to be there at the end, such as those of a cluster."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """In the environment of all processes that are of the round."""

    @property
    def diary(self) -> Path:
        """Where workers write what they do."""
        return self.folder / "diary"

    @property
    def checkpoints(self) -> str:
        """Where trials keep theirs."""
        return f"{'file://' if self.at_url else ''}{self.folder / 'trials'}"

    def popen(self, *words: object, host: str | None = None) -> subprocess.Popen[bytes]:
        """Start a process of the round with this Python, on a host of that name where it has one of its own."""
        environment = {**os.environ, "DIARY": str(self.diary), "CHAOS": self.token, "PYTHONPATH": _path()}
        with open(self.folder / "said", "ab") as said:
            command = [*([] if host is None else [*ELSEWHERE, host]), sys.executable, *map(str, words)]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)

    def said(self) -> str:
        """The end of what all of them have printed."""
        return (self.folder / "said").read_text(errors="replace")[-5000:]


def _path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _until_answered(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether a process takes connections at a port, which is waited for; False where it has ended."""
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        time.sleep(0.02)
    return False


@contextmanager
def sqlite(folder: Path, executor: str = "inline", slots: int = 1) -> Iterator[Arena]:
    """A file, to which nothing happens."""
    url = f"sqlite:///{folder / 'k.db'}"
    yield Arena(folder, url, url, executor=executor, slots=slots)


@contextmanager
def postgresql(folder: Path, server: Server, chance: random.Random) -> Iterator[Arena]:
    """A database behind a proxy; its server is killed, stopped and started again, and its connections break."""
    name = server.create()
    with Proxy("127.0.0.1", server.port) as proxy:

        def crash() -> None:
            server.kill()
            server.start()

        def stall() -> None:
            server.pause()
            time.sleep(chance.uniform(0.1, LEASE))
            server.resume()

        def away() -> None:
            with proxy.refusing():
                time.sleep(chance.uniform(0.1, LEASE))

        faults: dict[str, Fault] = {
            "connections dropped": lambda: proxy.drop() and None,
            "answer lost": lambda: proxy.lose(chance.randint(1, 20)),
            "connections ended by the server": lambda: server.end_connections(name),
            "server restarted": server.restart,
            "server stopped at once": lambda: server.restart(signal.SIGQUIT),
            "server killed": crash,
            "server stalled": stall,
            "server out of reach": away,
        }
        yield Arena(folder, server.tcp_url(name, proxy.port), server.url(name), faults)
    server.drop(name)


@contextmanager
def http(folder: Path, chance: random.Random) -> Iterator[Arena]:
    """A file behind a server, always at the same port, behind a proxy."""
    port, path = _free_port(), folder / "k.db"
    with Proxy("127.0.0.1", port) as proxy:
        arena = Arena(folder, f"http://:t@127.0.0.1:{proxy.port}", f"sqlite:///{path}")
        servers: list[subprocess.Popen[bytes]] = []

        def start() -> None:
            servers.append(arena.popen("-m", "kilter", "serve", f"sqlite:///{path}", "--port", port, "--token", "t"))
            assert _until_answered(port, servers[-1]), arena.said()

        def restart(number: int) -> None:
            servers[-1].send_signal(number)
            servers[-1].wait(LAST)
            start()

        def stall() -> None:
            servers[-1].send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.1, LEASE))
            servers[-1].send_signal(signal.SIGCONT)

        arena.faults = {
            "connections dropped": lambda: proxy.drop() and None,
            "answer lost": lambda: proxy.lose(chance.randint(1, 20)),
            "server restarted": lambda: restart(signal.SIGTERM),
            "server killed": lambda: restart(signal.SIGKILL),
            "server stalled": stall,
        }
        arena.stays = lambda: [servers[-1].pid]
        start()
        try:
            yield arena
        finally:
            servers[-1].kill()
            servers[-1].wait()


@contextmanager
def dask(folder: Path, chance: random.Random) -> Iterator[Arena]:
    """A file for the driver, and a Dask cluster whose workers die."""
    port, url = _free_port(), f"sqlite:///{folder / 'k.db'}"
    arena = Arena(folder, url, url, executor=f"dask@tcp://127.0.0.1:{port}", slots=3)
    scheduler = arena.popen("-m", "distributed.cli.dask_scheduler", "--port", port, "--no-dashboard", "--no-show")
    machines: list[subprocess.Popen[bytes]] = []

    def join() -> None:
        words = ["--no-nanny", "--nthreads", 2, "--no-dashboard", "--memory-limit", 0, "--local-directory", folder]
        machines.append(arena.popen("-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", *words))

    def lose(number: int) -> None:
        machine = machines.pop(chance.randrange(len(machines)))
        machine.send_signal(number)
        machine.wait(LAST)
        join()

    def stall() -> None:
        machine = chance.choice(machines)
        machine.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, LEASE))
        machine.send_signal(signal.SIGCONT)

    arena.faults = {
        "worker of Dask killed": lambda: lose(signal.SIGKILL),
        "worker of Dask terminated": lambda: lose(signal.SIGTERM),
        "worker of Dask stalled": stall,
    }
    arena.stays = lambda: [scheduler.pid, *(machine.pid for machine in machines)]
    try:
        assert _until_answered(port, scheduler), arena.said()
        join()
        join()
        yield arena
    finally:
        for process in [*machines, scheduler]:
            process.kill()
            process.wait()


@contextmanager
def ray(folder: Path, chance: random.Random) -> Iterator[Arena]:
    """A file for the driver, and a Ray cluster of several nodes on this machine, which are lost."""
    from ray.cluster_utils import Cluster

    url = f"sqlite:///{folder / 'k.db'}"
    arena = Arena(folder, url, url, slots=3)
    os.environ.update({"DIARY": str(arena.diary), "CHAOS": arena.token, "PYTHONPATH": _path()})
    place = tempfile.mkdtemp(prefix="kilter-ray-", dir="/tmp")  # the paths of sockets are to be short
    room = {"object_store_memory": 150 * 2**20, "include_dashboard": False}
    health = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}  # lost after 5 s
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "_system_config": health, "temp_dir": place, **room})
    arena.executor = f"ray@{cluster.address}"
    nodes = [cluster.add_node(num_cpus=2, object_store_memory=150 * 2**20) for _ in range(2)]

    def lose() -> None:
        cluster.remove_node(nodes.pop(chance.randrange(2)), allow_graceful=False)
        nodes.append(cluster.add_node(num_cpus=2, object_store_memory=150 * 2**20))

    def kill_actor() -> None:
        actors = [each for each in checker.processes(arena.token) if "ray::" in "".join(each.cmdline())]
        if actors:
            chance.choice(actors).kill()

    arena.faults = {"node of Ray killed": lose, "process of Ray killed": kill_actor}
    arena.stays = lambda: [each.pid for each in checker.processes(arena.token) if not checker.is_ours(each)]
    try:
        yield arena
    finally:
        cluster.shutdown()
        shutil.rmtree(place, ignore_errors=True)
        for name in ("DIARY", "CHAOS"):
            del os.environ[name]


class Round:
    """One study with so many workers, which are replaced when they die."""

    def __init__(self, arena: Arena, chance: random.Random, trials: int, workers: int = 3) -> None:
        self.arena, self.chance, self.trials, self.count = arena, chance, trials, workers
        self.diary = checker.Diary(arena.diary)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.struck: set[int] = set()
        """The processes that were told to end, and may do so with any code."""
        self.done: Counter[str] = Counter()
        """How often each kind of fault has struck."""

    def start(self) -> None:
        """One worker more."""
        arena = self.arena
        words = [arena.url, arena.checkpoints, self.trials, arena.executor, arena.slots, LEASE]
        host = f"host-{len(self.workers)}" if arena.apart and CAN_BE_APART else None
        self.workers.append(arena.popen(HERE / "worker.py", *words, host=host))

    def run(self, faults: int) -> Counter[str]:
        """Let so many faults happen, or fewer where the study ends before; then let it end, and check all."""
        try:
            for _ in range(self.count):
                self.start()
            for _ in range(faults):
                self._go_on(self.chance.randint(1, 12))
                if not self._living():
                    break
                self._strike()
                self._tidy()
            self._end()
        finally:
            for worker in self._living():
                worker.kill()
            for worker in self.workers:
                worker.wait()
        return self.done

    # What happens.

    def _strike(self) -> None:
        every = {
            "worker killed": lambda: self._end_by(signal.SIGKILL),
            "worker terminated": lambda: self._end_by(signal.SIGTERM),
            "worker interrupted": lambda: self._end_by(signal.SIGINT),
            "worker stopped": self._stop,
            **self.arena.faults,
        }
        if self.arena.executor == "processes":
            every["process of an executor killed"] = self._kill_child
        name = self.chance.choice(sorted(every))
        every[name]()
        self.done[name] += 1

    def _victim(self) -> subprocess.Popen[bytes]:
        return self.chance.choice(self._living())

    def _end_by(self, number: int) -> None:
        victim = self._victim()
        self.struck.add(victim.pid)
        victim.send_signal(number)

    def _stop(self) -> None:
        """For a moment, or for so long that its lease is over and others take its trials."""
        victim = self._victim()
        victim.send_signal(signal.SIGSTOP)
        self._go_on(self.chance.choice([2, 1000]), self.chance.uniform(0.1, 2.5 * LEASE))
        victim.send_signal(signal.SIGCONT)

    def _kill_child(self) -> None:
        """A process in which the executor of a worker runs trials."""
        import psutil

        children = psutil.Process(self._victim().pid).children(recursive=True)
        if children:
            self.chance.choice(children).kill()

    # What is checked.

    def _living(self) -> list[subprocess.Popen[bytes]]:
        return [worker for worker in self.workers if worker.poll() is None]

    def _go_on(self, lines: int, at_most: float = 60.0) -> None:
        """Wait until the diary has so many lines more, or nobody writes it any more."""
        end, goal = time.monotonic() + at_most, self.diary.look() + lines
        while self.diary.look() < goal and self._living() and time.monotonic() < end:
            time.sleep(0.005)

    def _tidy(self) -> None:
        """Look over what there is, and start a worker for each that is gone."""
        left = [worker for worker in self.workers if worker.poll() is not None and worker.pid not in self.struck]
        bad = [(worker.pid, worker.returncode) for worker in left if worker.returncode]
        assert not bad, f"workers ended that nobody had struck: {bad}\n{self.arena.said()}"
        if self.diary.lines:
            checker.check_log(self.arena.direct, self.diary)
        if not left:  # else the study is done
            for _ in range(self.count - len(self._living())):
                self.start()

    def _end(self) -> None:
        """Wait until the workers have brought the study to its end, and look at all of it."""
        end = time.monotonic() + LAST
        while self._living():
            assert time.monotonic() < end, f"workers do not end: {self.arena.said()}"
            time.sleep(0.02)
        self._tidy_up()
        checker.check_no_orphans(self.arena.token, self.arena.stays())
        checker.check_not_locked(self.arena.direct)
        slept = any("stopped" in name or "stalled" in name for name in self.done)
        exact = self.arena.executor == "inline" and not (slept or self.arena.at_url)
        checker.check_end(self.arena.direct, self.trials, self.diary, self.arena.checkpoints, exact)

    def _tidy_up(self) -> None:
        """Where the last one was struck, one more brings the study to its end, and gives back what the dead hold."""
        if self.arena.apart:
            time.sleep(LEASE)  # before that nobody can know
        self.start()
        assert self.workers[-1].wait(LAST) == 0, self.arena.said()
