"""What kilter itself costs, beside Optuna in the same run where that is installed.

    python benchmarks/overhead/bench_overhead.py [--quick] [--only ask,sqlite,growth,open,…] [--output FILE]

Each figure has a budget, which the table shows; figures over budget are marked. CPU times are of the process, so they
bear a busy machine better than trials per second, which are wall time. The database lies in the system's folder for
temporary files; TMPDIR moves it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results" / "overhead.json"
HAS_OPTUNA = importlib.util.find_spec("optuna") is not None


@dataclass(frozen=True)
class Figure:
    """One measured number; `better` says which side of the budget is good."""

    name: str
    unit: str
    kilter: float
    budget: float | None = None
    better: str = "lower"
    peer: float | None = None
    peer_name: str = ""

    @property
    def within(self) -> bool | None:
        if self.budget is None:
            return None
        return self.kilter <= self.budget if self.better == "lower" else self.kilter >= self.budget

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if not self.peer or not self.kilter:
            return None
        return self.peer / self.kilter if self.better == "lower" else self.kilter / self.peer


# -- what is run, here and in child processes -------------------------------------------------------------------------


def kilter_study(storage: str | None, name: str) -> Any:
    import kilter

    space = {
        "lr": kilter.Float(1e-5, 1e-1, log=True),
        "momentum": kilter.Float(0.0, 1.0),
        "layers": kilter.Int(1, 8),
        "width": kilter.Int(16, 512, log=True),
        "activation": kilter.Choice(["relu", "gelu", "tanh"]),
    }
    return kilter.create_study(
        study_name=name, storage=storage, sampler="random", seed=0, space=space, load_if_exists=True
    )


def kilter_trials(study: Any, count: int) -> None:
    for _ in range(count):
        trial = study.ask()
        params = trial.params
        study.tell(trial, params["lr"] + params["momentum"])


def optuna_study(storage: str | None, name: str) -> Any:
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=os.getpid())
    return optuna.create_study(study_name=name, storage=storage, sampler=sampler, load_if_exists=True)


def optuna_trials(study: Any, count: int) -> None:
    for _ in range(count):
        trial = study.ask()
        value = trial.suggest_float("lr", 1e-5, 1e-1, log=True) + trial.suggest_float("momentum", 0.0, 1.0)
        trial.suggest_int("layers", 1, 8)
        trial.suggest_int("width", 16, 512, log=True)
        trial.suggest_categorical("activation", ["relu", "gelu", "tanh"])
        study.tell(trial, value)


LIBRARIES: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {
    "kilter": (kilter_study, kilter_trials),
    "optuna": (optuna_study, optuna_trials),
}


# -- figures ----------------------------------------------------------------------------------------------------------


def cpu_per_trial(library: str, count: int) -> float:
    """Microseconds of CPU for ask and tell in memory, the median of five runs."""
    make, run = LIBRARIES[library]
    run(make(None, "warm"), 100)
    costs = []
    for repeat in range(5):
        study = make(None, f"memory-{repeat}")
        begin = time.process_time()
        run(study, count)
        costs.append((time.process_time() - begin) / count * 1e6)
    return statistics.median(costs)


def trials_per_second(library: str, processes: int, count: int) -> float:
    """Trials a second on one SQLite file, all processes together, from a common start."""
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/study.db"
        make, _ = LIBRARIES[library]
        make(storage, "shared")
        gate = Path(folder, "go")
        children = [start_child("loop", library, storage, str(gate), str(count)) for _ in range(processes)]
        for child in children:
            child.stdout.readline()  # "ready"
        gate.touch()
        spans = [json.loads(finish(child)) for child in children]
    begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
    return processes * count / (end - begin)


def growth(count: int) -> tuple[float, float]:
    """Microseconds of CPU a trial around trial 100 and around trial `count`, in memory."""
    study = kilter_study(None, "growth")
    window = min(2000, count // 5)
    kilter_trials(study, 100)
    early = timed(kilter_trials, study, window)
    kilter_trials(study, count - 100 - 2 * window)
    late = timed(kilter_trials, study, window)
    return early / window * 1e6, late / window * 1e6


def timed(function: Callable[..., None], *arguments: Any) -> float:
    begin = time.process_time()
    function(*arguments)
    return time.process_time() - begin


def opening(trials: int, reports: int) -> dict[str, float]:
    """Wall seconds, CPU seconds and peak MiB of a fresh process that opens a study and asks for its best trial."""
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/study.db"
        fill(storage, trials, reports)
        return json.loads(finish(start_child("open", storage)))


def fill(storage: str, trials: int, reports: int) -> None:
    """A study of finished trials with reports, written through the public interface."""
    study = kilter_study(storage, "large")
    for _ in range(trials):
        trial = study.ask()
        for step in range(reports):
            trial.report(1.0 / (step + 1), step=step)
        study.tell(trial, trial.params["lr"])


def import_cpu(module: str) -> float:
    """CPU seconds that importing a module adds to a fresh interpreter; the least of nine each."""

    def once(statement: str) -> float:
        code = f"import time\n{statement}\nprint(time.process_time())"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    return min(once(f"import {module}") for _ in range(9)) - min(once("pass") for _ in range(9))


# -- child processes --------------------------------------------------------------------------------------------------


def start_child(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, __file__, "--child", *arguments], stdout=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str]) -> str:
    output, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"a child process ended with {child.returncode}")
    return output.strip().splitlines()[-1]


def child_loop(library: str, storage: str, gate: str, count: str) -> None:
    make, run = LIBRARIES[library]
    study = make(storage, "shared")
    print("ready", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.001)
    begin = time.time()
    run(study, int(count))
    print(json.dumps([begin, time.time()]))


def child_open(storage: str) -> None:
    import kilter

    begin, cpu = time.perf_counter(), time.process_time()
    study = kilter.load_study(study_name="large", storage=storage)
    best = study.best_trial
    assert best.value is not None
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": peak_mib()}))


def peak_mib() -> float:
    """The most memory that this process has held, in MiB."""
    try:
        # Not ru_maxrss: on Linux a child inherits that of the process that started it.
        status = Path("/proc/self/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024
    except (OSError, StopIteration):
        import psutil

        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss) / 2**20


# -- all of it --------------------------------------------------------------------------------------------------------


def bench_ask(quick: bool) -> list[Figure]:
    count = 300 if quick else 2000
    peer = cpu_per_trial("optuna", count) if HAS_OPTUNA else None
    mine = cpu_per_trial("kilter", count)
    name = "ask + tell in memory, 5 parameters, random"
    return [Figure(name, "µs CPU/trial", mine, 80, peer=peer, peer_name="optuna")]


def bench_sqlite(quick: bool) -> list[Figure]:
    figures = []
    for processes, mine, theirs in ((1, 3000, 100), (8, 500, 15)):
        shrink = 5 if quick else 1
        peer = trials_per_second("optuna", processes, theirs // shrink) if HAS_OPTUNA else None
        rate = trials_per_second("kilter", processes, mine // shrink)
        plural = "process" if processes == 1 else "processes"
        name = f"SQLite, {processes} {plural}, one file"
        figures.append(Figure(name, "trials/s", rate, 1500, "higher", peer, "optuna"))
    return figures


def bench_growth(quick: bool) -> list[Figure]:
    count = 5_000 if quick else 50_000
    early, late = growth(count)
    return [
        Figure("one trial, from trial 100", "µs CPU", early),
        Figure(f"one trial, up to trial {count:,}", "µs CPU", late),
        Figure("growth between the two", "ratio", late / early, 1.2),
    ]


def bench_open(quick: bool) -> list[Figure]:
    trials = 2_000 if quick else 50_000
    opened = opening(trials, 20)
    what = f"open {trials:,} trials × 20 reports"
    return [
        Figure(what, "s", opened["seconds"], 2.0),
        Figure(f"{what}, CPU", "s", opened["cpu"]),
        Figure(f"{what}, peak memory", "MiB", opened["mib"], 300),
    ]


def bench_earlier(quick: bool) -> list[Figure]:
    """What it costs to look for earlier studies, where there are none and where there are many of 200 trials."""
    studies = 20 if quick else 100
    with tempfile.TemporaryDirectory() as folder:
        none, many = (f"sqlite:///{folder}/{name}.db" for name in ("none", "many"))
        looked, not_looked = (created(none, transfer) for transfer in ("auto", None))
        for number in range(studies):
            fill_with_earlier(many, number)
        found = created(many, "auto") - created(many, None)
    return [
        Figure("a new study, no earlier ones, to look for some", "ms CPU", (looked - not_looked) * 1e3, 1.0),
        Figure(f"a new study beside {studies} of 200 trials, to learn from 16", "ms CPU", found * 1e3, 150.0),
    ]


def fill_with_earlier(storage: str, number: int) -> None:
    """A study of 200 trials."""
    import kilter

    space = {f"p{i}": kilter.Float(0, 1) for i in range(6)}
    options = {"study_name": f"earlier {number}", "sampler": "random", "seed": number, "transfer": None}
    with kilter.create_study(space=space, storage=storage, **options) as study:
        for config in study.space.sample(200, seed=number):
            study.add_trial(kilter.create_trial(params=config, value=sum(config.values())))


def created(storage: str, transfer: str | None) -> float:
    """Median CPU seconds of a new study, which is deleted again."""
    import kilter

    space, took = {f"p{i}": kilter.Float(0, 1) for i in range(6)}, []
    for _ in range(9):
        begun = time.process_time()
        study = kilter.create_study(space=space, storage=storage, transfer=transfer)
        took.append(time.process_time() - begun)
        kilter.delete_study(study_name=study.study_name, storage=storage)
    return statistics.median(took)


def bench_import(quick: bool) -> list[Figure]:
    numpy, mine = import_cpu("numpy"), import_cpu("kilter")
    peer = import_cpu("optuna") if HAS_OPTUNA and not quick else None
    return [
        Figure("import kilter", "ms CPU", mine * 1e3, peer=peer and peer * 1e3, peer_name="optuna"),
        Figure("import kilter ÷ import numpy", "ratio", mine / numpy if numpy else math.inf, 1.3),
    ]


BENCHES = {
    "ask": bench_ask,
    "sqlite": bench_sqlite,
    "growth": bench_growth,
    "open": bench_open,
    "earlier": bench_earlier,
    "import": bench_import,
}


def row(figure: Figure) -> str:
    sign = {"lower": "≤", "higher": "≥"}[figure.better]
    budget = "" if figure.budget is None else f"{sign} {figure.budget:g}{'' if figure.within else '  OVER'}"
    peer = "" if figure.peer is None else f"{figure.peer:,.4g}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.1f}×"
    return f"{figure.name:48} {figure.kilter:>10,.4g} {figure.unit:13} {budget:>12} {peer:>9} {ratio:>7}"


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        {"loop": child_loop, "open": child_open}[sys.argv[2]](*sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small counts, only to see that it runs")
    parser.add_argument("--only", default=",".join(BENCHES), help="some of: %(default)s")
    parser.add_argument("--output", type=Path, help=f"where the figures go as JSON: {RESULTS.name}, if not --quick")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(BENCHES)
    if unknown:
        parser.error(f"no figure {', '.join(sorted(unknown))}: choose from {', '.join(BENCHES)}")

    if not HAS_OPTUNA:
        print("Optuna is not installed, so there is nothing to compare with: pip install 'optuna>=5'\n")
    print(f"{'':48} {'kilter':>10} {'':13} {'budget':>12} {'optuna':>9} {'better':>7}")
    figures: list[Figure] = []
    for name in options.only.split(","):
        for figure in BENCHES[name](options.quick):
            figures.append(figure)
            print(row(figure), flush=True)

    measured = {
        "machine": {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()},
        "versions": {name: version(name) for name in ("kilter", "numpy", "optuna")},
        "quick": options.quick,
        "figures": [{**asdict(figure), "within": figure.within, "ratio": figure.ratio} for figure in figures],
    }
    if output := options.output or (None if options.quick else RESULTS):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(measured, indent=2) + "\n")


def version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
