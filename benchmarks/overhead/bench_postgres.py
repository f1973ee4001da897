"""What a trial costs in PostgreSQL, beside Optuna in the same run where that is installed.

    python benchmarks/overhead/bench_postgres.py [--quick] [--only rate,crowd,look] [--url postgresql://…]

Without a URL it starts a private server of whatever is at hand, in RAM and without fsync, so that the disk is no part
of the figures. Trials a second are wall time; a machine that is busy shows less. CPU is that of the workers alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench_overhead import HAS_OPTUNA, Figure, kilter_study, kilter_trials, optuna_study, optuna_trials, row
from tests.postgres import Server

FORK = multiprocessing.get_context("fork")


def kilter_work(url: str, count: int) -> None:
    kilter_trials(kilter_study(url, "shared"), count)


def optuna_work(url: str, count: int) -> None:
    optuna_trials(optuna_study(url.replace("postgresql://", "postgresql+psycopg://", 1), "shared"), count)


def together(processes: int, work: Callable[[Any], Any], *given: Any) -> list[Any]:
    """What `work` makes in each of so many processes that begin it at once."""
    gate, answers = FORK.Barrier(processes), FORK.SimpleQueue()

    def run() -> None:
        gate.wait()
        answers.put(work(*given))

    crowd = [FORK.Process(target=run) for _ in range(processes)]
    for process in crowd:
        process.start()
    found = [answers.get() for _ in crowd]
    for process in crowd:
        process.join()
    return found


def span(work: Callable[[str, int], None], url: str, count: int) -> tuple[float, float, float]:
    """When so many trials began and ended here, and their seconds of CPU; the first ones are not counted."""
    work(url, 3)
    cpu, begin = time.process_time(), time.time()
    work(url, count)
    return begin, time.time(), time.process_time() - cpu


def rate(
    work: Callable[[str, int], None], url: str, processes: int, count: int, server: Server | None
) -> tuple[float, float, float | None]:
    """Trials a second, all processes together, and milliseconds of CPU a trial: of a worker, and of the server."""
    work(url, 1)
    before = server.cpu() if server else 0.0
    spans = together(processes, span, work, url, count)
    seconds = max(end for _, end, _ in spans) - min(begin for begin, _, _ in spans)
    trials = processes * count
    time.sleep(0.5)  # the processes of the server that have ended are counted then
    served = (server.cpu() - before) / trials * 1e3 if server else None
    return trials / seconds, sum(cpu for *_, cpu in spans) / trials * 1e3, served


def asks(url: str, trials: int, seconds: float) -> list[tuple[float, float]]:
    """How long each ask but the first took, in seconds, where each trial runs for about so many; and a bare read."""
    from kilter.plugins import open_storage

    study, storage, chance = kilter_study(url, "crowd"), open_storage(url), random.Random()
    took = []
    time.sleep(chance.uniform(0, seconds))
    for _ in range(trials):
        begin = time.perf_counter()
        storage.studies()
        middle = time.perf_counter()
        trial = study.ask()
        took.append((time.perf_counter() - middle, middle - begin))
        time.sleep(chance.uniform(0.5 * seconds, 1.5 * seconds))
        study.tell(trial, 0.5)
    return took[1:]


def bench_rate(urls: Iterator[str], quick: bool, server: Server | None) -> Iterator[Figure]:
    for processes, mine, theirs, budget in ((1, 2000, 40, 400), (8, 400, 5, 800)):
        none = None, None, None
        peer = rate(optuna_work, next(urls), processes, theirs, server) if HAS_OPTUNA else none
        ours = rate(kilter_work, next(urls), processes, mine // (10 if quick else 1), server)
        name = f"PostgreSQL, {processes} process{'es' if processes > 1 else ''}"
        yield Figure(name, "trials/s", ours[0], budget, "higher", peer[0], "optuna")
        yield Figure(f"{name}, CPU of a worker", "ms/trial", ours[1], peer=peer[1], peer_name="optuna")
        if ours[2]:
            yield Figure(f"{name}, CPU of the server", "ms/trial", ours[2], peer=peer[2], peer_name="optuna")


def bench_crowd(urls: Iterator[str], quick: bool, server: Server | None) -> Iterator[Figure]:
    url, seconds = next(urls), 1.0
    kilter_trials(kilter_study(url, "crowd"), 1)
    took = list(chain.from_iterable(together(64, asks, url, 3 if quick else 15, seconds)))
    what = "an ask, 64 workers, trials of a second"
    for name, part, budget in (("median", 0.5, None), ("p99", 0.99, 50)):
        ask, read = (sorted(column)[int(part * len(took))] * 1e3 for column in zip(*took))
        yield Figure(f"{what}, {name}", "ms", ask, budget, peer=read, peer_name="a bare read of the same server")


def bench_look(urls: Iterator[str], quick: bool, server: Server | None) -> Iterator[Figure]:
    from kilter.plugins import open_storage

    url = next(urls)
    kilter_trials(kilter_study(url, "shared"), 1000)
    storage = open_storage(url)
    end = storage.read(1)[-1].position
    begin, cpu = time.perf_counter(), time.process_time()
    for _ in range(1000):
        storage.read(1, end)
    yield Figure("a look for news where there are none", "ms", time.perf_counter() - begin)
    yield Figure("a look for news, CPU of who looks", "ms", time.process_time() - cpu)


BENCHES = {"rate": bench_rate, "crowd": bench_crowd, "look": bench_look}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small counts, only to see that it runs")
    parser.add_argument("--only", default=",".join(BENCHES), help="some of: %(default)s")
    parser.add_argument("--url", help="of a database that is empty, for all of them")
    parser.add_argument("--output", type=Path, help="where the figures go as JSON")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    figures = []
    print(f"{'':48} {'kilter':>10} {'':13} {'budget':>12} {'optuna':>9} {'better':>7}")
    with ExitStack() as stack:
        server = None if options.url else stack.enter_context(Server())
        urls = databases(server) if server else repeat(options.url)
        for name in options.only.split(","):
            for figure in BENCHES[name](urls, options.quick, server):
                figures.append(figure)
                print(row(figure), flush=True)
    if options.output:
        options.output.write_text(json.dumps([vars(figure) for figure in figures], indent=1))


def databases(server: Server) -> Iterator[str]:
    while True:
        yield server.url(server.create())


if __name__ == "__main__":
    main()
