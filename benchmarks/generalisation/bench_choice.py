"""How good is the configuration that is chosen, on rows that no tuning has seen? Rules side by side, on stored pools.

    python benchmarks/generalisation/bench_choice.py --pools FOLDER [--tasks chooses|others] [--repetitions 10]

A study of the first 50 or 200 configurations of a pool (make_pools.py), the default first, each scored on one fold, on
all five, on one and the best ten on all, or under a race. Of each rule: the mean outer test score × 100, how much more
that is than the best observed one's, with the standard error over runs, and in how many runs it is worse than the
default's by more than a point. Constants were chosen on the tasks that choose, the others were looked at in the end.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from replay import STREAMS, Pool, confirmed, pools, raced, replayed

from kilter.analysis.merits import merits
from kilter.analysis.winner import winner
from kilter.core.history import History

COUNTS = (50, 200)
SCHEMES: dict[str, Callable[[Pool, int], History]] = {
    "one fold": lambda pool, n: replayed(pool, n, [0]),
    "five folds": lambda pool, n: replayed(pool, n, range(5)),
    "one, ten on all": confirmed,
    "race": lambda pool, n: raced(pool, n).history,
}


def lines(folder: pathlib.Path, chooses: bool, repetitions: int) -> Iterator[dict]:
    """For each pool, count and scheme, the outer test score of what each rule chooses."""
    for pool in pools(folder, STREAMS[:2], chooses):
        if pool.repetition >= repetitions:
            continue
        for n in COUNTS:
            for scheme, study in SCHEMES.items():
                history = study(pool, n)
                folds = 1 if scheme == "one fold" else 5
                chosen = rules(history, pool, folds)
                scores = {rule: round(100 * float(pool.test[place(history, pool, k)]), 3) for rule, k in chosen.items()}
                yield {"task": pool.task.name, "stream": pool.stream, "scheme": scheme, "trials": n, **scores}


def rules(history: History, pool: Pool, folds: int) -> dict[str, int]:
    """The trial that each rule chooses."""
    design = pool.design(range(folds))
    found, known = winner(history, design), merits(history, design)
    tied = [each for each in known.configurations if each.number in found.tied]
    space = pool.problem.space
    units = {each.number: space.encode([each.params])[0] for each in tied}
    default = space.encode([space.with_defaults({})])[0]
    leader = known.configurations[int(np.argmin(known.mean))].number
    return {
        "default": 0,
        "best observed": found.observed,
        "best merit": leader,
        "tied, nearest to the default": min(units, key=lambda k: float(np.nansum(np.abs(units[k] - default)))),
        "winner": found.number,
    }


def place(history: History, pool: Pool, number: int) -> int:
    """Where in the pool the configuration of a trial is."""
    plain = [pool.problem.space.plain(params) for params in pool.params]
    return plain.index(history[number].params)


def table(found: list[dict]) -> str:
    """A row for each scheme, count and rule."""
    rows = [
        "| scored on | trials | rule | runs | test | more than best observed | ± | worse than the default by a point |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    cells = defaultdict(list)
    for line in found:
        cells[line["scheme"], line["trials"]].append(line)
    for (scheme, n), lines in cells.items():
        observed, default = (np.array([line[rule] for line in lines]) for rule in ("best observed", "default"))
        for rule in list(lines[0])[4:]:
            scores = np.array([line[rule] for line in lines])
            more = scores - observed
            error, worse = more.std() / np.sqrt(len(more)), 100 * np.mean(scores < default - 1.0)
            figures = f"{scores.mean():.2f} | {more.mean():+.2f} | {error:.2f} | {worse:.1f} %"
            rows.append(f"| {scheme} | {n} | {rule} | {len(lines)} | {figures} |")
    return "\n".join(rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pools", type=pathlib.Path, required=True)
    options.add_argument("--tasks", choices=["chooses", "others"], default="others")
    options.add_argument("--repetitions", type=int, default=10)
    options.add_argument("--out", type=pathlib.Path)
    given = options.parse_args()
    found = list(lines(given.pools, given.tasks == "chooses", given.repetitions))
    print(table(found))
    if given.out:
        given.out.write_text("\n".join(map(json.dumps, found)) + "\n")


if __name__ == "__main__":
    main()
