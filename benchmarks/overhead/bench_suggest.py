"""What a suggestion costs, by sampler, space and number of trials, beside Optuna in the same run where it is installed.

    python benchmarks/overhead/bench_suggest.py [--quick] [--samplers auto,tpe] [--trials 50,1000] [--spaces mixed]

CPU time of one ask and tell on a study that has so many random trials already, with one BLAS thread: the median and
the mean after the first few, which read the trials and fit models that the others find fitted. Then, each in a fresh
process, what it takes after the import to come to the first suggestion by a model, and what a trial takes in memory.
Figures over budget are marked.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import importlib.util
import json
import logging
import platform
import shlex
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results" / "suggest.json"
ASKS = 30
WARM_UP = 3
"""Asks before those that are measured: the first reads all trials and fits models that the others find fitted."""
DEAREST = 20e3
"""Milliseconds of CPU after which a sampler is asked no more on one study."""

KILTER = ("auto", "gp", "tpe", "cmaes", "random")
PEERS = ("optuna-tpe", "optuna-tpe-univariate", "optuna-gp")
COUNTS = (50, 200, 1_000, 10_000)

BUDGETS = {("auto", 50): 5.0, ("auto", 200): 8.0, ("auto", 1_000): 15.0, ("auto", 10_000): 15.0}
BUDGETS |= {("tpe", 1_000): 1.0, ("tpe", 10_000): 5.0}
"""Milliseconds of CPU, the median, by sampler and number of trials."""
FIRST_ASK = 0.5
"""Seconds of CPU for the first suggestion by a model after the import."""
FLAT = 1.1
"""How many times more memory a trial may take among ten thousand than among a thousand."""
PEER_LIMIT = {"optuna-gp": 200}
"""Trials beyond which a peer is not measured: it takes seconds a suggestion there."""


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU for one ask and tell."""

    sampler: str
    space: str
    trials: int
    median: float
    mean: float
    asks: int
    budget: float | None

    @property
    def within(self) -> bool | None:
        return None if self.budget is None else self.median <= self.budget


# -- spaces and what is minimised over them ---------------------------------------------------------------------------


def floats(d: int) -> dict[str, Any]:
    import kilter

    return {f"x{i}": kilter.Float(0.0, 1.0) for i in range(d)}


def mixed() -> dict[str, Any]:
    import kilter

    return {
        "rate": kilter.Float(1e-5, 1e-1, log=True),
        "decay": kilter.Float(1e-6, 1e-2, log=True),
        "momentum": kilter.Float(0.0, 0.99),
        "width": kilter.Int(16, 512, log=True),
        "layers": kilter.Int(1, 8),
        "kind": kilter.Choice(["adam", "sgd", "lion"]),
        "activation": kilter.Choice(["relu", "gelu", "tanh", "silu"]),
        "nesterov": kilter.Choice(["yes", "no"]).when(kind="sgd"),
    }


SPACES: dict[str, Callable[[], dict[str, Any]]] = {
    "5 floats": lambda: floats(5),
    "20 floats": lambda: floats(20),
    "mixed 8": mixed,
}


def loss(params: dict[str, Any]) -> float:
    """Smooth in the numbers, a step for each option; any sampler has something to learn."""
    total = 0.0
    for i, (_, value) in enumerate(sorted(params.items())):
        if isinstance(value, str):
            total += 0.1 * (len(value) - 3)
        else:
            total += ((value if value <= 1 else value / 100) - 0.1 * (i % 7 + 2)) ** 2
    return total


# -- one sampler on one study -----------------------------------------------------------------------------------------


def kilter_step(sampler: str, space: str, trials: int) -> Callable[[], float]:
    """A study of random trials, opened again with the sampler; returns a step that costs so many seconds of CPU."""
    import kilter
    from kilter.storage.memory import MemoryStorage

    storage = MemoryStorage()
    filling = kilter.create_study(storage=storage, study_name="s", sampler="random", space=SPACES[space](), seed=0)
    for _ in range(trials):
        trial = filling.ask()
        filling.tell(trial, loss(trial.params))
    study = kilter.load_study(storage=storage, study_name="s", sampler=sampler)

    def step() -> float:
        begin = time.process_time()
        trial = study.ask()
        asked = time.process_time() - begin
        value = loss(trial.params)
        begin = time.process_time()
        study.tell(trial, value)
        return asked + time.process_time() - begin

    return step


def optuna_step(sampler: str, space: str, trials: int) -> Callable[[], float]:
    """The same for Optuna, define-by-run; its TPE is multivariate unless it is told otherwise."""
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)
    warnings.simplefilter("ignore")
    makers = {
        "optuna-tpe": lambda: optuna.samplers.TPESampler(seed=0),
        "optuna-tpe-univariate": lambda: optuna.samplers.TPESampler(seed=0, multivariate=False),
        "optuna-gp": lambda: optuna.samplers.GPSampler(seed=0),
    }
    parameters = SPACES[space]()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def step() -> float:
        begin = time.process_time()
        trial = study.ask()
        params = suggested(trial, parameters)
        asked = time.process_time() - begin
        value = loss(params)
        begin = time.process_time()
        study.tell(trial, value)
        return asked + time.process_time() - begin

    for _ in range(trials):
        step()
    study.sampler = makers[sampler]()
    return step


def suggested(trial: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """The active parameters of a trial of Optuna's."""
    found: dict[str, Any] = {}
    for name, p in parameters.items():
        if not all(condition.holds(found) for condition in p.conditions):
            continue
        if hasattr(p, "options"):
            found[name] = trial.suggest_categorical(name, list(p.options))
        elif isinstance(p.low, float):
            found[name] = trial.suggest_float(name, p.low, p.high, log=p.log)
        else:
            found[name] = trial.suggest_int(name, p.low, p.high, log=p.log)
    return found


def cost(sampler: str, space: str, trials: int, asks: int) -> Cost:
    """The milliseconds of some steps after the first ones."""
    step = (optuna_step if sampler in PEERS else kilter_step)(sampler, space, trials)
    for _ in range(WARM_UP):
        step()
    spent: list[float] = []
    while len(spent) < asks and sum(spent) < DEAREST:
        spent.append(step() * 1e3)
    return Cost(
        sampler,
        space,
        trials,
        statistics.median(spent),
        statistics.mean(spent),
        len(spent),
        BUDGETS.get((sampler, trials)),
    )


# -- in fresh processes -----------------------------------------------------------------------------------------------

FIRST = """
import time, sys
import kilter
begin = time.process_time()
study = kilter.create_study(space={f"x{i}": kilter.Float(0.0, 1.0) for i in range(5)}, sampler="SAMPLER", seed=0)
spent = time.process_time() - begin
for _ in range(30):
    begin = time.process_time()
    trial = study.ask()
    spent += time.process_time() - begin
    if trial.number >= 6 and ("SAMPLER" == "tpe" or study.explain(trial).arm == "gp"):
        break
    study.tell(trial, sum((x - 0.3) ** 2 for x in trial.params.values()))
print(spent, trial.number, "scipy.stats" in sys.modules)
"""
"""What the study and all asks up to the first by a model cost: which of them loads SciPy is the sampler's affair."""

MEMORY = """
import gc, psutil
import kilter
space = {f"x{i}": kilter.Float(0.0, 1.0) for i in range(5)}
study = kilter.create_study(space=space, sampler="random", seed=0)
held = []
for count in (1000, 10000, 19000):
    while len(study.trials) < count:
        for _ in range(500):
            trial = study.ask()
            study.tell(trial, sum(trial.params.values()))
    gc.collect()
    held.append(psutil.Process().memory_info().rss)
print(*held)
"""


def fresh(script: str) -> list[str]:
    """What a script prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def first_ask(sampler: str) -> dict[str, Any]:
    """CPU seconds up to the first suggestion by a model, after `import kilter`."""
    spent, number, stats = fresh(FIRST.replace("SAMPLER", sampler))
    return {"sampler": sampler, "seconds": float(spent), "trial": int(number), "scipy.stats": stats == "True"}


def memory() -> dict[str, float]:
    """Bytes a trial: from trial 1,000 to 10,000, and from there on for as many."""
    first, middle, last = map(int, fresh(MEMORY))
    return {"to 10,000": (middle - first) / 9000, "beyond": (last - middle) / 9000}


# -- all of it --------------------------------------------------------------------------------------------------------


def missing(sampler: str) -> str | None:
    """Why a peer sits out."""
    needed = {"optuna-gp": ("optuna", "torch")}.get(sampler, ("optuna",))
    lacking = [package for package in needed if importlib.util.find_spec(package) is None]
    return f"pip install {' '.join(lacking)}" if sampler in PEERS and lacking else None


def show(costs: Iterable[Cost], space: str, counts: list[int]) -> None:
    """A table of one space: median, mean in brackets, budget, and how many times cheaper than the peers."""
    from rich.console import Console
    from rich.table import Table

    grid = {(c.sampler, c.trials): c for c in costs if c.space == space}
    table = Table("sampler", title=f"{space}: ms of CPU for ask + tell, median (mean)")
    for count in counts:
        table.add_column(f"{count:,} trials", justify="right")
    for sampler in dict.fromkeys(sampler for sampler, _ in grid):
        row = []
        for count in counts:
            c = grid.get((sampler, count))
            if c is None:
                row.append("–")
                continue
            text = f"{c.median:.2f} ({c.mean:.2f})"
            if c.budget is not None:
                text += f" [green]≤ {c.budget:g}[/]" if c.within else f" [red]OVER {c.budget:g}[/]"
            rival = grid.get(("optuna-tpe", count))
            if rival is not None and sampler not in PEERS:
                text += f" {rival.median / c.median:.1f}×"
            row.append(text)
        table.add_row(sampler, *row)
    Console(width=160).print(table)


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", default=",".join((*KILTER, *PEERS)), help="default: %(default)s")
    parser.add_argument("--spaces", default=",".join(SPACES), help="default: %(default)s")
    parser.add_argument("--trials", default=",".join(map(str, COUNTS)), help="default: %(default)s")
    parser.add_argument("--asks", type=int, default=ASKS, help="measured each time (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="up to 200 trials and 5 asks, only to see that it runs")
    parser.add_argument("--output", type=Path, help=f"where the figures go as JSON: {RESULTS.name}, if not --quick")
    options = parser.parse_args()
    counts = [int(text) for text in options.trials.split(",")]
    asks = options.asks
    if options.quick:
        counts, asks = [n for n in counts if n <= 200], min(asks, 5)
    samplers = []
    for sampler in options.samplers.split(","):
        reason = missing(sampler)
        if reason:
            print(f"{sampler} sits out: {reason}")
        else:
            samplers.append(sampler)

    costs: list[Cost] = []
    for space in options.spaces.split(","):
        for count in counts:
            # Side by side: of one size all samplers, so that a change of the machine's load hits them alike.
            costs += [cost(each, space, count, asks) for each in samplers if count <= PEER_LIMIT.get(each, count)]
        show(costs, space, counts)

    firsts = [first_ask(each) for each in samplers if each in ("auto", "gp", "tpe")]
    for each in firsts:
        verdict = "within" if each["seconds"] <= FIRST_ASK and not each["scipy.stats"] else "OVER"
        loaded = "loaded" if each["scipy.stats"] else "not loaded"
        print(
            f"up to the first suggestion of {each['sampler']} by a model: {each['seconds']:.2f} s CPU "
            f"({verdict} {FIRST_ASK} s; scipy.stats {loaded})"
        )
    held = memory()
    verdict = "flat" if held["beyond"] <= FLAT * held["to 10,000"] else "GROWS"
    print(f"memory a trial: {held['to 10,000']:.0f} bytes to trial 10,000, {held['beyond']:.0f} beyond ({verdict})")

    measured = {
        "command": shlex.join(["python", "benchmarks/overhead/bench_suggest.py", *sys.argv[1:]]),
        "machine": {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()},
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "versions": {name: version(name) for name in ("kilter", "numpy", "scipy", "optuna", "torch")},
        "costs": [{**asdict(c), "within": c.within} for c in costs],
        "first suggestion": firsts,
        "bytes a trial": held,
    }
    if output := options.output or (None if options.quick else RESULTS):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
