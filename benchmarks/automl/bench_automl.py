"""A model from a table at equal CPU time: kilter.automl beside other tools, on raw frames.

    python benchmarks/automl/bench_automl.py [--tools kilter lightgbm linear flaml autogluon] [--budget 15]
                                             [--seeds 0 1 2] [--tables FOLDER] [--names NAME …] [--keep FILE]

Each fit runs in a process of its own on one core with a clock that counts its CPU time, so that a busy machine
starves nobody. Loss: 1 − AUC of two classes, log-loss of more, 1 − R² of numbers; a failed fit counts as half as bad
again as the worst. `ratio` is the geometric mean over tables of the loss to that of the best tool there; `said` is the
mean of what a tool said that it would score less what it scored, as a share of the loss; `holds` is how often an
interval held the score. --keep FILE keeps a line of JSON for each fit; those that it holds are not run again.
tables.py says what a folder holds, and what there is without one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tables import load, names
from tools import PACKAGES, TOOLS

Row = dict[str, Any]
KEY = ("tool", "table", "seed", "budget")


def count_cpu_time() -> None:
    """Python's clocks run with this process's CPU time from here on."""
    start = time.time() - time.process_time()
    time.time = lambda: start + time.process_time()
    time.monotonic = time.perf_counter = time.process_time


def fit(row: Row, folder: Path | None) -> Row:
    """One fit, in this process."""
    count_cpu_time()
    problem = load(row["table"], row["seed"], folder)
    began = time.process_time()
    try:
        predictions, said = TOOLS[row["tool"]](problem, row["budget"], row["seed"])
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is its result
        return row | {"kind": problem.kind, "error": f"{type(error).__name__}: {error}"[:300]}
    seconds = time.process_time() - began
    return row | said | {"kind": problem.kind, "seconds": round(seconds, 2)} | score(problem, predictions)


def score(problem: Any, predictions: np.ndarray) -> Row:
    from sklearn.metrics import log_loss, r2_score, roc_auc_score

    if problem.kind == "regression":
        found = r2_score(problem.test_y, predictions)
    elif problem.kind == "binary":
        found = roc_auc_score(problem.test_y == np.unique(problem.y)[1], predictions[:, 1])
    else:
        found = -log_loss(problem.test_y, predictions, labels=np.unique(problem.y))
    return {"score": float(found)}


def apart(row: Row, folder: Path | None) -> Row:
    """One fit, in a process of its own, of one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--one", json.dumps(row), *(["--tables", str(folder)] if folder else [])]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | one, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else row | {"error": ended.stderr[-300:]}


def loss(row: Row) -> float:
    if "score" not in row:
        return np.nan
    return -row["score"] if row["kind"] == "multiclass" else 1 - row["score"]


def summary(rows: list[Row]) -> None:
    """Losses by table, the mean over seeds, and a line for each tool."""
    tools, tables = sorted({r["tool"] for r in rows}), sorted({r["table"] for r in rows})
    of = [
        [[loss(r) for r in rows if (r["tool"], r["table"]) == (t, name)] or [np.nan] for t in tools] for name in tables
    ]
    found = np.array([[np.mean(cell) for cell in line] for line in of])
    found = np.where(np.isnan(found), 1.5 * np.nanmax(found, axis=1, keepdims=True), found)
    print(f"{'loss':24}" + "".join(f"{t:>12}" for t in tools))
    for name, line in zip(tables, found, strict=True):
        print(f"{name:24}" + "".join(f"{v:12.4f}" for v in line))
    ratio = np.exp(np.log(found / found.min(1, keepdims=True)).mean(0))
    print(f"{'ratio':24}" + "".join(f"{v:12.3f}" for v in ratio))
    for tool in tools:
        honest([r for r in rows if r["tool"] == tool and "score" in r], tool)


def honest(rows: list[Row], tool: str) -> None:
    said = [(r["said"] - r["score"]) / loss(r) for r in rows if r.get("said") is not None]
    held = [r["interval"][0] <= r["score"] <= r["interval"][1] for r in rows if "interval" in r]
    seconds = [r["seconds"] for r in rows]
    words = f"{tool}: median {np.median(seconds):.1f} s, most {max(seconds):.1f} s" if rows else f"{tool}: no fit ended"
    words += f"; said {100 * np.mean(said):+.1f} %" if said else ""
    print(words + (f"; holds {100 * np.mean(held):.0f} %" if held else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--budget", type=float, default=15.0)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--names", nargs="+")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(fit(json.loads(asked.one), asked.tables)), flush=True)
        return
    summary(list(race(asked)))


def race(asked: argparse.Namespace) -> Iterator[Row]:
    """A row for each tool that is installed, table and seed; kept ones first."""
    lines = asked.keep.read_text().splitlines() if asked.keep and asked.keep.exists() else []
    kept = [json.loads(line) for line in lines]
    yield from kept
    there = {tuple(row[k] for k in KEY) for row in kept}
    tools = [t for t in asked.tools if t not in PACKAGES or importlib.util.find_spec(PACKAGES[t])]
    for key in product(tools, asked.names or names(asked.tables), asked.seeds, [asked.budget]):
        if key not in there:
            row = apart(dict(zip(KEY, key, strict=True)), asked.tables)
            if asked.keep:
                with asked.keep.open("a") as file:
                    print(json.dumps(row), file=file)
            yield row


if __name__ == "__main__":
    main()
