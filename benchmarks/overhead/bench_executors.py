"""What a trial that does nothing costs where it runs, beside a bare call of an actor on the same cluster.

    python benchmarks/overhead/bench_executors.py [--trials 500] [--rounds 5] [--executors dask,ray] [--peer 5]

CPU time of all processes that take part, and time on the clock, of one trial after another: a task is handed out and
its outcome waited for, without study and storage. A bare call hands an actor the same task and gets it back. Both are
measured in turns, in each round anew; of the rounds the medians are told. Figures over budget are marked.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from kilter.core.interfaces import Executor, Outcome, Running, Task
from kilter.executors import Processes
from kilter.testing.executor import task

CPU = 2.0
"""Milliseconds of CPU for a trial in processes."""
RATIO = 1.3
"""How many bare calls of an actor a trial on a cluster may cost."""


@dataclass(frozen=True)
class Place:
    """Where trials run: an executor of one slot and, on a cluster, a bare call of an actor there."""

    executor: Executor
    call: Callable[[Task], Any] | None = None
    peer: tuple[str, Callable[[int], None]] | None = None
    """Another tuner that runs so many trials there, and its name."""


@contextlib.contextmanager
def processes() -> Iterator[Place]:
    yield Place(Processes(1))


class Echo:
    """A bare actor."""

    def back(self, thing: Any) -> Any:
        return thing


@contextlib.contextmanager
def dask() -> Iterator[Place]:
    """Workers and scheduler are processes of this machine."""
    import distributed

    from kilter.integrations.dask import DaskExecutor

    quiet: dict[str, Any] = {"memory_limit": 0, "dashboard_address": "127.0.0.1:0", "silence_logs": logging.ERROR}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, **quiet) as cluster,
        distributed.Client(cluster) as client,
    ):
        echo = client.submit(Echo, actor=True).result()
        yield Place(DaskExecutor(client, 1), lambda one: echo.back(one).result())


@contextlib.contextmanager
def ray() -> Iterator[Place]:
    """A cluster of one node, on this machine."""
    import ray

    from kilter.integrations.ray import RayExecutor

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    echo = ray.remote(num_cpus=0)(Echo).remote()
    yield Place(RayExecutor(1), lambda one: ray.get(echo.back.remote(one)), ("Ray Tune", by_ray_tune))
    ray.shutdown()


def by_ray_tune(trials: int) -> None:
    """As it is by default, one trial after another."""
    from ray import tune

    def train(config: dict[str, float]) -> None:
        tune.report({"loss": config["x"]})

    with tempfile.TemporaryDirectory() as place:
        tune.Tuner(
            train,
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=trials, max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=place, verbose=0),
        ).fit()


PLACES = {"processes": processes, "dask": dask, "ray": ray}
NEEDED = {"dask": "distributed", "ray": "ray"}
"""The library of a cluster."""


def nothing(x: float) -> float:
    """The objective."""
    return x


@dataclass(frozen=True)
class Cost:
    """Milliseconds."""

    cpu: float
    wall: float

    def __truediv__(self, other: Cost) -> Cost:
        return Cost(self.cpu / other.cpu, self.wall / other.wall)


def cost(work: Callable[[Task], Any], trials: int) -> Cost:
    """Of one of so many calls."""
    tasks = [task(number) for number in range(trials)]
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    cpu, wall = sum(map(_seconds, family)), time.perf_counter()
    for one in tasks:
        work(one)
    wall = time.perf_counter() - wall
    return Cost((sum(map(_seconds, family)) - cpu) / trials * 1e3, wall / trials * 1e3)


def _seconds(process: psutil.Process) -> float:
    """Of CPU, by the scheduler's own books where it shows them: those of psutil are kept in ticks."""
    books = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    nanoseconds = [int(book.read_text().split()[0]) for book in books]
    times = process.cpu_times()
    return sum(nanoseconds) / 1e9 if nanoseconds else float(times.user + times.system)


def run(running: Running, one: Task) -> None:
    """Bring a trial to its end."""
    running.submit(one)
    while not any(isinstance(message, Outcome) for message in running.wait(None)):
        pass


def measured(place: Place, trials: int, rounds: int) -> tuple[Cost, Cost | None]:
    """What a trial costs, and how many bare calls that is."""
    running = place.executor.start(nothing)
    run(running, task())
    costs, ratios = [], []
    for _ in range(rounds):
        costs.append(cost(lambda one: run(running, one), trials))
        if place.call is not None:
            ratios.append(costs[-1] / cost(place.call, trials))
    running.close()
    return median(costs), median(ratios) if ratios else None


def median(costs: list[Cost]) -> Cost:
    """Of each figure."""
    return Cost(statistics.median(c.cpu for c in costs), statistics.median(c.wall for c in costs))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=int, default=0, help="so many trials of Ray Tune beside, which take seconds")
    parser.add_argument("--executors", default=",".join(PLACES))
    arguments = parser.parse_args()
    print("| executor | CPU ms a trial | ms a trial | bare calls, CPU | bare calls, clock |\n|---|--:|--:|--:|--:|")
    for name in arguments.executors.split(","):
        if name in NEEDED and importlib.util.find_spec(NEEDED[name]) is None:
            print(f"| {name} | {NEEDED[name]} is not installed | | | |")
            continue
        with PLACES[name]() as place:
            one, ratio = measured(place, arguments.trials, arguments.rounds)
            over = " (over)" if ratio is None and one.cpu > CPU else ""
            beside = " | |" if ratio is None else f" {_marked(ratio.cpu)} | {_marked(ratio.wall)} |"
            print(f"| {name} | {one.cpu:.2f}{over} | {one.wall:.2f} |{beside}", flush=True)
            if place.peer is not None and arguments.peer:
                print(f"| {place.peer[0]} | | {_each(place.peer[1], arguments.peer):.0f} | | |", flush=True)


def _each(work: Callable[[int], None], trials: int) -> float:
    """Milliseconds on the clock of one of so many trials, after a first one."""
    work(1)
    began = time.perf_counter()
    work(trials)
    return (time.perf_counter() - began) / trials * 1e3


def _marked(ratio: float) -> str:
    return f"{ratio:.2f}{' (over)' if ratio > RATIO else ''}"


if __name__ == "__main__":
    main()
