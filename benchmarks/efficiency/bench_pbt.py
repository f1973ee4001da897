"""Population-based training beside random search at equal cost, on trainings whose best schedule is known.

    python benchmarks/efficiency/bench_pbt.py [--seeds 20] [--ray-seeds 0] [--out benchmarks/results/efficiency/pbt.md]

    decay     stochastic gradient descent on a noisy parabola: E θ² <- (1 - lr)² E θ² + lr² σ². The learning rate has to
              fall like that of the best schedule, lr = E θ² / (E θ² + σ²)
    ravine    the same in two directions, of curvature 1 and 1/20, that share the learning rate; `pace` speeds up the
              flat one by 1 / (1 - pace), its noise as well
    switch    two optimisers, each with a step size of its own: one is fast far away and stands still near the optimum,
              the other is slow and gets there. The best schedule changes over on the way
    surrogate the toy of Jaderberg et al. (2017): descent on h₀θ₀² + h₁θ₁² from (0.9, 0.3), scored by θ₀² + θ₁². Here
              h₀ + h₁ = 1, so that first one direction is worth more, then both are worth the same
    digits    the network of examples/pbt_digits.py, where PyTorch is installed; no best schedule is known

Each method has the same number of training steps: `population` times the length of one training. `random` trains so
many configurations to the end; `oracle` is the best fixed configuration there is, found on a dense grid at any cost.
The best schedule is found by beam search, step by step.
A score is log10(loss / loss of the best schedule), for digits the loss itself, smaller is better. Ray's PBT runs where
Ray is installed, with the same quantile, factors and resampling; members that it trained for longer do not count.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import math
import os
import pathlib
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import kilter
from kilter.core.space import Space
from kilter.schedulers.pb2 import PB2Scheduler
from kilter.schedulers.pbt import PBTScheduler

ROOT = pathlib.Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "efficiency" / "pbt.md"
STEPS, INTERVAL, POPULATION = 100, 5, 10
EPSILON = 1e-12

# The trainings. -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """A state, how one step with a configuration changes it, and its loss."""

    space: dict[str, Any]
    begin: tuple[float, ...]
    step: Callable[[Any, dict[str, Any]], Any]
    loss: Callable[[Any], float]
    grid: tuple[dict[str, Any], ...]
    """Configurations among which the best fixed one and, step by step, the best schedule are looked for."""

    def trained(self, config: dict[str, Any], steps: int = STEPS) -> float:
        state = self.begin
        for _ in range(steps):
            state = self.step(state, config)
        return self.loss(state)

    def oracle(self) -> float:
        """The loss of the best fixed configuration."""
        return min(map(self.trained, self.grid))

    def best(self) -> float:
        """The loss of the best schedule: with the best of a beam of states kept after each step."""
        beam = [self.begin]
        for _ in range(STEPS):
            states = {self.step(state, config) for state in beam for config in self.grid}
            beam = sorted(states, key=lambda state: (self.loss(state), state))[:40]
        return min(map(self.loss, beam))


def decayed(state, config):
    return ((1 - config["lr"]) ** 2 * state[0] + config["lr"] ** 2,)


def ravine(state, config):
    steep, flat = state
    rate, pace = config["lr"], 1 / (1 - config["pace"])
    return ((1 - rate) ** 2 * steep + rate**2, (1 - 0.05 * rate * pace) ** 2 * flat + 0.02 * rate**2 * pace)


def switched(state, config):
    (distance,) = state
    if config["optimizer"] == "far":
        return (max(distance * (1 - config["pull"]), 0.05 + 0.5 * config["pull"]),)
    step = config["gain"]
    return (distance * (1 - 0.12 * math.exp(-0.5 * math.log(step / 0.02) ** 2)) if distance < 1 else distance - 0.01,)


def surrogate(state, config):
    share = config["share"]
    return (state[0] * (1 - 0.08 * share), state[1] * (1 - 0.08 * (1 - share)))


def trainings() -> dict[str, Training]:
    rates = np.geomspace(1e-3, 1.0, 200)
    lr = kilter.Float(1e-3, 1.0, log=True)
    pairs = itertools.product(np.geomspace(1e-3, 1.0, 60), np.linspace(0, 0.95, 20))
    return {
        "decay": Training({"lr": lr}, (100.0,), decayed, lambda s: s[0], tuple({"lr": float(v)} for v in rates)),
        "ravine": Training(
            {"lr": lr, "pace": kilter.Float(0, 0.95)},
            (30.0, 100.0),
            ravine,
            lambda s: s[0] + 0.05 * s[1],
            tuple({"lr": float(v), "pace": float(m)} for v, m in pairs),
        ),
        "switch": Training(
            {
                "optimizer": kilter.Choice(
                    {
                        "far": {"pull": kilter.Float(0.01, 0.5, log=True)},
                        "near": {"gain": kilter.Float(1e-3, 1.0, log=True)},
                    }
                )
            },
            (100.0,),
            switched,
            lambda s: max(s[0], EPSILON),
            (
                *({"optimizer": "far", "pull": float(v)} for v in np.geomspace(0.01, 0.5, 60)),
                *({"optimizer": "near", "gain": float(v)} for v in np.geomspace(1e-3, 1.0, 60)),
            ),
        ),
        "surrogate": Training(
            {"share": kilter.Float(0, 1)},
            (0.9, 0.3),
            surrogate,
            lambda s: s[0] ** 2 + s[1] ** 2,
            tuple({"share": float(v)} for v in np.linspace(0, 1, 201)),
        ),
    }


# The methods. ---------------------------------------------------------------------------------------------------------


def objective(training: Training) -> Callable[[kilter.Trial], float]:
    """A training as kilter runs it."""

    def train(trial):
        saved = trial.load() or {"step": 0, "state": training.begin}
        state, loss = saved["state"], training.loss(saved["state"])
        for step in range(saved["step"] + 1, STEPS + 1):
            state = training.step(state, trial.params)
            if step % INTERVAL == 0:
                loss = training.loss(state)
                trial.save({"step": step, "state": state})
                trial.report(loss, step)
                if trial.should_prune():
                    raise kilter.TrialPruned
        return loss

    return train


def population(scheduler: type[PBTScheduler]) -> Callable[[Training, int], float]:
    def run(training, seed):
        plan = scheduler(population=POPULATION, interval=INTERVAL, last_step=STEPS)
        study = kilter.create_study(space=training.space, sampler="random", scheduler=plan, seed=seed)
        study.optimize(objective(training), progress="none")
        return study.best_value

    return run


def random(training: Training, seed: int) -> float:
    """The best of so many random configurations, each trained to the end."""
    space = Space(training.space)
    generator = np.random.default_rng([seed, 17])
    return min(training.trained(space.draw(generator)) for _ in range(POPULATION))


def ray_pbt(training: Training, seed: int) -> float:
    """Ray Tune's PBT in its synchronous form, numbers only."""
    from ray import tune
    from ray.tune.schedulers import PopulationBasedTraining

    def mutation(parameter):
        return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)

    space = {name: mutation(parameter) for name, parameter in training.space.items()}
    bounds = {name: (parameter.low, parameter.high) for name, parameter in training.space.items()}

    def clipped(config):
        return {**config, **{n: min(max(config[n], low), high) for n, (low, high) in bounds.items()}}

    class Member(tune.Trainable):
        def setup(self, config):
            self.state, self.config, self.done = training.begin, config, 0

        def step(self):
            for _ in range(INTERVAL):
                self.state = training.step(self.state, self.config)
            self.done += INTERVAL
            return {"loss": training.loss(self.state), "steps": self.done}

        def save_checkpoint(self, directory):
            pathlib.Path(directory, "state").write_text(repr((self.state, self.done)))
            return directory

        def load_checkpoint(self, directory):
            import ast

            self.state, self.done = ast.literal_eval(pathlib.Path(directory, "state").read_text())

        def reset_config(self, new_config):
            self.config = new_config
            return True

    np.random.seed(seed)  # noqa: NPY002 - Ray draws from the global generators
    import random as chance

    chance.seed(seed)
    scheduler = PopulationBasedTraining(
        time_attr="steps", metric="loss", mode="min", perturbation_interval=INTERVAL, synch=True,
        hyperparam_mutations=space, quantile_fraction=0.2, resample_probability=0.25,
        perturbation_factors=(1.2, 0.8), custom_explore_fn=clipped, log_config=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(Member, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(
                scheduler=scheduler, num_samples=POPULATION, reuse_actors=True, max_concurrent_trials=POPULATION
            ),
            run_config=tune.RunConfig(storage_path=folder, stop={"steps": STEPS}, verbose=0),
        )  # fmt: skip
        results = tuner.fit()
        ends = [result.metrics for result in results if result.metrics and "loss" in result.metrics]
        print("Ray: steps of the members", sorted(end["steps"] for end in ends), flush=True)
        return min(end["loss"] for end in ends if end["steps"] <= STEPS)


def digits(seeds: int) -> tuple[dict[str, list[float]], str | None]:
    """Scores of the network of the example; or why there are none."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sklearn") is None:
        return {}, "digits: not run, PyTorch or scikit-learn is not installed"
    spec = importlib.util.spec_from_file_location("pbt_digits", ROOT / "examples" / "pbt_digits.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    settings = {"population": example.MEMBERS, "interval": example.INTERVAL, "last_step": example.EPOCHS}
    found: dict[str, list[float]] = {"random": [], "PBT": [], "PB2": []}
    for seed in range(seeds):
        plans = {"random": None, "PBT": PBTScheduler(**settings), "PB2": PB2Scheduler(**settings)}
        for name, plan in plans.items():
            study = kilter.create_study(space=example.space, sampler="random", scheduler=plan, seed=seed)
            study.optimize(example.objective, n_trials=None if plan else example.MEMBERS, progress="none")
            found[name].append(study.best_value)
            print("digits", name, seed, round(study.best_value, 4), flush=True)
    return found, None


# The table. -----------------------------------------------------------------------------------------------------------


def shown(values: list[float]) -> str:
    """Mean and 95 % bootstrap interval."""
    values = np.asarray(values)
    means = np.random.default_rng(0).choice(values, (4000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--digits-seeds", type=int, default=8)
    parser.add_argument("--ray-seeds", type=int, default=0, help="each takes minutes where cores are few")
    parser.add_argument("--ray-problems", default="decay,ravine", help="it has no conditions, so not switch")
    parser.add_argument("--problems", default="decay,ravine,switch,surrogate,digits")
    parser.add_argument("--out", type=pathlib.Path, default=RESULT)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")

    notes = []
    has_ray = importlib.util.find_spec("ray") is not None
    if has_ray and options.ray_seeds:
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
        import ray

        ray.init(num_cpus=POPULATION, include_dashboard=False, log_to_driver=False, configure_logging=False)
    else:
        notes.append("Ray's PBT: not run, " + ("--ray-seeds is 0" if has_ray else "Ray is not installed"))

    methods: dict[str, tuple[Callable[[Training, int], float], int]] = {
        "random": (random, options.seeds),
        "PBT": (population(PBTScheduler), options.seeds),
        "PB2": (population(PB2Scheduler), options.seeds),
    }
    rows: list[tuple[str, str, dict[str, list[float]]]] = []

    def write() -> None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(table(rows, notes, options))

    for name, training in trainings().items():
        if name not in options.problems.split(","):
            continue
        best = training.best()
        scores = {}
        for method, (run, seeds) in methods.items():
            began = time.process_time()
            scores[method] = [math.log10(run(training, seed) / best) for seed in range(seeds)]
            took = (time.process_time() - began) / seeds
            print(f"{name:10} {method:8} {shown(scores[method])}  {took:.2f} CPU s a run", flush=True)
        rows.append((name, f"{math.log10(training.oracle() / best):.3f}", scores))
        write()
    if "digits" in options.problems.split(","):
        scores, why = digits(options.digits_seeds)
        notes += [why] if why else []
        rows += [("digits", "-", scores)] if scores else []
        write()

    for name, _, scores in rows if has_ray and options.ray_seeds else []:
        if name in options.ray_problems.split(","):
            training = trainings()[name]
            best = training.best()
            scores["Ray PBT"] = [math.log10(ray_pbt(training, seed) / best) for seed in range(options.ray_seeds)]
            print(f"{name:10} Ray PBT  {shown(scores['Ray PBT'])}", flush=True)
            write()


def table(rows: list[tuple[str, str, dict[str, list[float]]]], notes: list[str], options: argparse.Namespace) -> str:
    """The result as Markdown; with fewer seeds where a method has fewer."""
    columns = [c for c in ("random", "PBT", "PB2", "Ray PBT") if any(c in scores for _, _, scores in rows)]
    lines = [
        "## Population-based training beside random search at equal cost",
        "",
        f"{POPULATION} members, {STEPS} steps, selection every {INTERVAL} (digits: as in the example);",
        "log10(loss / loss of the best schedule), for digits the loss; smaller is better. Mean and 95 % bootstrap",
        "interval over seeds; in brackets how often the method beat random search with the same seed. `oracle` is the",
        "best fixed configuration at any cost.",
        "",
        "| problem | oracle | " + " | ".join(columns) + " |",
        "|---|---|" + "---|" * len(columns),
    ]
    for name, oracle, scores in rows:
        cells = [shown(scores["random"])]
        for column in columns[1:]:
            wins = sum(a < b for a, b in zip(scores.get(column, ()), scores["random"]))
            cells.append(f"{shown(scores[column])} ({wins}/{len(scores[column])})" if column in scores else "-")
        lines.append(f"| {name} | {oracle} | " + " | ".join(cells) + " |")
    command = (
        f"bench_pbt.py --seeds {options.seeds} --digits-seeds {options.digits_seeds} --ray-seeds {options.ray_seeds}"
    )
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), f"- made by {command}"]) + "\n"


if __name__ == "__main__":
    main()
