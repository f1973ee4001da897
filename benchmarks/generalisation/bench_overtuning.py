"""How much the best score flatters by the number of trials, and what ending a study early costs, out of pools.

    python benchmarks/generalisation/bench_overtuning.py POOLS flattery
    python benchmarks/generalisation/bench_overtuning.py POOLS optimism [REPETITIONS]
    python benchmarks/generalisation/bench_overtuning.py POOLS stopping [REPETITIONS]

`flattery` reads scores alone. `optimism` holds what the report on overtuning calls luck, and the choice that it says
was as good, against scores on new rows; real luck is by how much more the best is too good than those are that are
better than most on new rows. `stopping` replays studies on five folds with 36 s for each trial, so that the next hour
is a hundred trials, and looks when the stopper would have ended them, for several shares of the noise of a trial below
which a gain is called lost; lines of JSON in looks.jsonl beside the pools, one for each study, keep what was done.
Shares are chosen by tasks for choosing; the others are only looked at.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import numpy as np
from replay import Pool, pools, replayed

from kilter.analysis import gain
from kilter.analysis.overtuning import overtuning
from kilter.analysis.winner import winner
from kilter.core.attributes import DEFAULT
from kilter.core.events import Ended, Enqueued, Report, Started, TrialState
from kilter.core.history import History
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

COUNTS = (25, 50, 100, 200)
SECONDS = 36.0
SHARES = (1.0, 0.5, 0.33, 0.25, 0.15)
FOLDS = range(5)


def flattery(folder: pathlib.Path) -> None:
    """Tables over the tasks that are scored by AUC, in points."""
    found: dict[tuple[str, str, int], list[tuple[float, float, bool]]] = {}
    for pool in pools(folder, ("random", "auto")):
        if pool.task.metric != "auc":
            continue
        for scheme, folds in (("hold-out", [0]), ("5-fold", list(FOLDS))):
            scores = pool.folds[:, folds].mean(axis=1)
            for n in COUNTS:
                best = int(np.argmax(scores[:n]))
                told = 100 * (scores[best] - pool.test[best]), 100 * pool.test[best], pool.test[best] < pool.test[0]
                found.setdefault((pool.stream, scheme, n), []).append(told)
    for (stream, scheme, n), rows in sorted(found.items()):
        columns = np.array(rows, dtype=float)
        (over, score, worse), errors = columns.mean(axis=0), columns.std(axis=0) / np.sqrt(len(rows))
        print(
            f"{stream:8}{scheme:10}{n:4} trials, {len(rows)} studies: too good by {over:5.2f} ± {errors[0]:.2f}, "
            f"on new rows {score:.2f}, behind the default in {100 * worse:.0f} %"
        )


def optimism(folder: pathlib.Path, repetitions: int) -> None:
    """What is called luck, after so many trials on five folds, and what more trials were worth after they had paid."""
    for n in COUNTS:
        rows = []
        for pool in pools(folder, ("random", "auto")):
            if pool.task.metric == "auc" and pool.repetition < repetitions:
                seen = overtuning(replayed(pool, n, FOLDS), pool.design(FOLDS))
                assert seen is not None
                scores = pool.folds[:n].mean(axis=1)
                half = np.argsort(-pool.test[:n])[: n // 2]  # by scores they would be lucky, too
                real = scores[seen.best] - pool.test[seen.best] - (scores[half] - pool.test[half]).mean()
                then = seen.course.numbers[seen.course.trials <= seen.paid_until][-1]
                later = pool.test[seen.choice] - pool.test[then]
                rows.append(100 * np.array([seen.optimism, real, later, seen.paid_until / 100]))
        (told, real, later, paid), count = np.mean(rows, axis=0), len(rows)
        apart = np.abs(np.subtract(*np.array(rows).T[:2]))
        print(
            f"{n:4} trials, {count} studies: luck {told:5.2f}, really {real:5.2f}, |difference| {apart.mean():.2f}; "
            f"paid until {paid:.0f}, after which the choice gained {later:5.2f}"
        )


def stopping(folder: pathlib.Path, repetitions: int) -> None:
    """A table of shares: after how many trials studies end, and what the winner then lacks on new rows."""
    path = folder / "looks.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {tuple(line["study"]) for line in lines}
    for pool in pools(folder, ("random", "auto")):
        study = pool.task.name, pool.repetition, pool.stream
        if pool.repetition < repetitions and study not in known:
            line = {"study": study, "chooses": pool.task.chooses, "looks": looks(pool)}
            lines.append(json.loads(json.dumps(line)))
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
    for chooses in (True, False):
        rows = [line for line in lines if line["chooses"] is chooses]
        print("tasks for choosing" if chooses else "tasks looked at in the end", f"({len(rows)} studies)")
        for share in SHARES:
            print(f"  below {share:4} × noise: {ended(rows, share)}")


def looks(pool: Pool) -> list[dict[str, float]]:
    """At each look: trials, expected gain, noise of a trial, and the score of the winner on new rows."""
    history = timed(pool)
    counts = [count for count, _ in gain.gains(history, 0)]
    found = []
    for count in counts:
        then = history.until(count)
        seen, chosen = gain.expected_gain(then, 0), winner(then)
        assert seen is not None and chosen is not None
        test = float(pool.test[chosen.number])
        found.append({"trials": count, "gain": seen.value, "noise": seen.noise, "test": test})
    return found


def timed(pool: Pool) -> History:
    """A study of all configurations on all folds, one after the other."""
    log = Log(RandomSampler(), pool.problem, 0)
    for number, params in enumerate(pool.params):
        config, scores = pool.problem.space.plain(params), pool.folds[number]
        log.write(Enqueued(number, config, 0.0, attrs={DEFAULT: True} if number == 0 else {}))
        log.write(Started(number, 1, config, "w", log.engine.position, SECONDS * number, fresh=False))
        reports = tuple(Report(0, {"value": float(score)}, fold) for fold, score in zip(FOLDS, scores))
        value = {"value": float(scores.mean())}
        log.write(Ended(number, 1, TrialState.COMPLETE, value, SECONDS * (number + 1), reports))
    return log.engine.history


def ended(rows: list[dict[str, Any]], share: float) -> str:
    """What comes of ending studies where two looks in a row expect less than a share of the noise."""
    trials, lost = [], []
    for row in rows:
        seen = row["looks"]
        below = [look["gain"] < share * look["noise"] for look in seen]
        end = next((i for i in range(1, len(seen)) if below[i] and below[i - 1]), len(seen) - 1)
        trials.append(seen[end]["trials"])
        lost.append(100 * (seen[-1]["test"] - seen[end]["test"]))
    error = np.std(lost) / np.sqrt(len(lost))
    whole = np.mean([count == row["looks"][-1]["trials"] for count, row in zip(trials, rows)])
    return (
        f"{np.mean(trials):5.0f} trials, {100 * whole:.0f} % to the end; "
        f"{np.mean(lost):5.2f} ± {error:.2f} points lost, {max(lost):.1f} at most"
    )


if __name__ == "__main__":
    where, what = pathlib.Path(sys.argv[1]), sys.argv[2]
    repetitions = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    if what == "flattery":
        flattery(where)
    elif what == "optimism":
        optimism(where, repetitions)
    else:
        stopping(where, repetitions)
