"""The long mode: rounds of every kind, until so many faults have struck; `make chaos`.

    python -m tests.story.chaos [--faults 500] [--seed 0] [--arena NAME ...] [--round N]

Each round has a seed of its own, which it prints; `--round N` runs that one alone. What a round has left stays where it
failed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.postgres import Server
from tests.story.chaos import rounds

TRIALS, FAULTS = 60, 12
"""Of a round."""

Play = Callable[[Path, random.Random, Server], Counter[str]]


def on_file(folder: Path, chance: random.Random, server: Server) -> Counter[str]:
    """Independent workers on an SQLite file."""
    with rounds.sqlite(folder) as arena:
        arena.apart, arena.at_url = chance.random() < 0.5, chance.random() < 0.3
        return rounds.Round(arena, chance, TRIALS, chance.randint(2, 4)).run(FAULTS)


def with_processes(folder: Path, chance: random.Random, server: Server) -> Counter[str]:
    """Drivers with processes of their own, on an SQLite file."""
    with rounds.sqlite(folder, "processes", 3) as arena:
        return rounds.Round(arena, chance, 4 * TRIALS, chance.randint(1, 2)).run(FAULTS)


def on_postgresql(folder: Path, chance: random.Random, server: Server) -> Counter[str]:
    """Independent workers on PostgreSQL, to which things happen too."""
    with rounds.postgresql(folder, server, chance) as arena:
        arena.apart, arena.at_url = chance.random() < 0.5, chance.random() < 0.3
        return rounds.Round(arena, chance, TRIALS, chance.randint(2, 4)).run(FAULTS)


def over_http(folder: Path, chance: random.Random, server: Server) -> Counter[str]:
    """Independent workers on a server, which dies too."""
    with rounds.http(folder, chance) as arena:
        arena.apart, arena.at_url = chance.random() < 0.5, chance.random() < 0.3
        return rounds.Round(arena, chance, TRIALS, chance.randint(2, 4)).run(FAULTS)


def on_dask(folder: Path, chance: random.Random, server: Server) -> Counter[str]:
    """A driver on a Dask cluster, whose workers die too."""
    with rounds.dask(folder, chance) as arena:
        return rounds.Round(arena, chance, 2 * TRIALS, 1).run(FAULTS)


def on_ray(folder: Path, chance: random.Random, server: Server) -> Counter[str]:
    """A driver on a Ray cluster, whose nodes are lost too."""
    with rounds.ray(folder, chance) as arena:
        return rounds.Round(arena, chance, TRIALS, 1).run(FAULTS // 2)


ARENAS: dict[str, Play] = {
    "file": on_file,
    "processes": with_processes,
    "postgresql": on_postgresql,
    "http": over_http,
    "dask": on_dask,
    "ray": on_ray,
}


def main() -> int:
    """Play rounds until there are enough faults; 1 where one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.story.chaos")
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arena", action="append", choices=sorted(ARENAS))
    parser.add_argument("--round", type=int)
    given = parser.parse_args()
    arenas, done, failed = given.arena or list(ARENAS), Counter[str](), 0
    number, since = given.round or 0, time.monotonic()
    with Server() as server:
        while sum(done.values()) < given.faults:
            arena = arenas[number % len(arenas)]
            folder = Path(tempfile.mkdtemp(prefix="kilter-chaos-"))
            try:
                struck = ARENAS[arena](folder, random.Random(f"{given.seed} {number}"), server)
                shutil.rmtree(folder)
            except Exception:
                failed += 1
                print(f"round {number} on {arena} has FAILED; what it left is in {folder}")
                traceback.print_exc()
                struck = Counter({"before a failure": 1})
            done += struck
            print(f"round {number} on {arena}: {sum(struck.values())} faults, {sum(done.values())} in all", flush=True)
            number += 1
            if given.round is not None:
                break
    print(f"{sum(done.values())} faults in {number} rounds, {time.monotonic() - since:.0f} s, {failed} rounds failed:")
    for name, times in sorted(done.items()):
        print(f"  {times:5d}  {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
