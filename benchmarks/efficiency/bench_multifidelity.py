"""Early stopping at equal cost: kilter on the multi-fidelity problems of a bench outside, beside its stored peers.

    python benchmarks/efficiency/bench_multifidelity.py --bench PATH [--optimizers kilter,kilter-r3,kilter-full]

The runs are made by `python -m bench.mf` there: one worker, a simulated clock of full trainings. `kilter` reports at
every step, `kilter-r3` at powers of three, `kilter-full` is the default sampler with full trainings only. The score is
that of `bench.mf_score`: normalised regret of the incumbent after 3, 10 and 30 full trainings; intervals are
bootstrapped over problems, and peers whose runs are stored with fewer seeds count with those. Without a bench outside
nothing is measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import contest
import numpy as np

OURS = ("kilter", "kilter-r3", "kilter-full")
POINTS = (3, 10, 30)


def make_runs(folder: Path, out: Path, optimizer: str, options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "bench.mf", "--optimizer", optimizer, "--set", "dev", "--out", f"{out}/"]
    command += ["--seeds", options.seeds, "--equivalents", str(options.equivalents), "--problems", options.problems]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def regrets(folder: Path, out: Path) -> dict[str, dict[tuple[str, int], list[float]]]:
    """By optimizer, the regret of each (problem, seed) at POINTS."""
    sys.path.insert(0, str(folder))
    from bench import mf_score

    runs = mf_score.load(f"{out}/", "dev")
    references = mf_score.current("dev", runs)
    found: dict[str, dict[tuple[str, int], list[float]]] = {}
    for run in runs:
        reference, fingerprint = references.get(run["problem"], (None, None))
        if fingerprint == run["fingerprint"] and all(mf_score.reached(run, point) for point in POINTS):
            row = [mf_score.regret_at(run, reference, point) for point in POINTS]
            found.setdefault(run["optimizer"], {})[run["problem"], run["seed"]] = row
    return found


def table(found: dict[str, dict[tuple[str, int], list[float]]]) -> str:
    """Means over an optimizer's seeds, then problems; ranks on common runs; ours over the best peer's."""
    names = sorted(found)
    problems = sorted(set.intersection(*({problem for problem, _ in runs} for runs in found.values())))
    means = np.array(
        [
            [np.mean([row for (p, _), row in found[o].items() if p == problem], axis=0) for problem in problems]
            for o in names
        ]
    )  # optimizer, problem, point
    shared = sorted(set.intersection(*(set(runs) for runs in found.values())))
    cube = np.array([[found[name][key] for key in shared] for name in names])  # optimizer, run, point
    ranks = ((cube[:, None] > cube[None]).sum(axis=1) + (cube[:, None] == cube[None]).sum(axis=1) / 2 + 0.5).mean(
        axis=1
    )
    drawn = np.random.default_rng(0).integers(len(problems), size=(2000, len(problems)))
    low, high = np.quantile(means[:, drawn].mean(axis=2), [0.025, 0.975], axis=1)
    mean = means.mean(axis=1)
    lines = [f"{len(problems)} problems; ranks on the {len(shared)} runs that all have", ""]
    lines.append("| | runs | " + " | ".join(f"regret at {p} [95 %] | rank at {p}" for p in POINTS) + " |")
    lines.append("|---" * (2 + 2 * len(POINTS)) + "|")
    for i in np.argsort(mean[:, -1]):
        cells = [
            f"{mean[i, j]:.3f} [{low[i, j]:.2f}, {high[i, j]:.2f}] | {ranks[i, j]:.2f}" for j in range(len(POINTS))
        ]
        lines.append(f"| {names[i]} | {len(found[names[i]])} | " + " | ".join(cells) + " |")
    peers = [i for i, name in enumerate(names) if name not in OURS]
    lines += ["", "Over the best peer's mean regret at the same point:", ""]
    for i, name in enumerate(names):
        if name in OURS:
            shares = mean[i] / mean[peers].min(axis=0)
            lines.append(f"- {name}: " + ", ".join(f"{share:.2f} at {p}" for share, p in zip(shares, POINTS)))
    return "\n".join(lines) + "\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--bench", type=Path, default=os.environ.get("KILTER_BENCH") or None)
    options.add_argument("--optimizers", default=",".join(OURS))
    options.add_argument("--seeds", default="0-2")
    options.add_argument("--equivalents", type=float, default=30)
    options.add_argument("--problems", default="!live*", help="patterns with commas (default: those that peers ran)")
    options.add_argument("--out", type=Path, default=contest.RESULTS)
    options.add_argument("--score-only", action="store_true")
    chosen = options.parse_args()
    if chosen.bench is None:
        sys.exit("skipped: the multi-fidelity problems are in a bench outside, named by --bench or KILTER_BENCH")
    folder = chosen.bench if (chosen.bench / "bench").is_dir() else chosen.bench.parent
    out = chosen.out / "multifidelity"
    for optimizer in () if chosen.score_only else chosen.optimizers.split(","):
        make_runs(folder.resolve(), out.resolve(), optimizer, chosen)
    (out / "mf-dev").mkdir(parents=True, exist_ok=True)
    for stored in (folder / "bench" / "results" / "mf-dev").glob("*.jsonl"):
        shutil.copy(stored, out / "mf-dev" / stored.name)
    text = table(regrets(folder.resolve(), out.resolve()))
    print(text)
    (chosen.out / "multifidelity.md").write_text(f"Multi-fidelity, `bench_multifidelity.py`: {text}")


if __name__ == "__main__":
    main()
