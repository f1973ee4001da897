"""What is chosen of noisy objectives without folds: by the best value seen, by the winner's rule, and with repeats.

    python benchmarks/generalisation/bench_noise.py [--half check] [--seeds 0-1] [--models] [--lines FILE] [--out FILE]

Studies of 100 trials with kilter's own sampler, each once as it is and once with scheduler="race", which measures
leading configurations again; both are asked after 25, 50 and 100 trials, repeats included. Functions have 2 to 10
dimensions (the halves of bench_recommend.py: rules are thought up on "tune", the table is of "check"). Noise is
normal; its standard deviation is .1, .3 and 1 × the spread, which is that of random draws: the same everywhere
(additive), or so much at the best value and growing with it, as of a loss that is measured to within a share of itself,
whose best value is one spread (multiplicative). With --models objectives are small models that are trained anew with
another seed each time, and noise is what it is.

Regret is that of the value without noise, 0 for the best known and 1 for what ten random draws reach; beyond 3 it
counts as 3. Of models the true score is the mean over many other seeds. Ratios are of mean regrets, to that of the best
observed one of the study as it is; "best tried" is what nobody who has to choose among its trials can beat. Lines are
kept, and those that are there are not made again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "efficiency"))

from bench_recommend import DRAWS, HALVES, WORST, regret  # holds BLAS to one thread, before NumPy  # isort: skip
import numpy as np

import kilter
from kilter.bench import BenchProblem, noisy
from kilter.core.attributes import CONFIRMS
from kilter.core.seeds import rng

POINTS = (25, 50, 100)
SHARES = (0.1, 0.3, 1.0)
ARMS: dict[str, Any] = {"plain": None, "repeats": "race"}
OWN = ("own",)
"""The noise of models."""


@dataclass(frozen=True)
class Case:
    """An objective with noise, of which the regret without noise is known."""

    name: str
    noise: tuple[Any, ...]
    space: Any
    direction: str
    observe: Callable[[Mapping[str, Any], int, int], float]
    """The value of a configuration in a trial of a study with a seed."""
    regret: Callable[[Mapping[str, Any]], float]


def functions(half: str) -> Iterator[Case]:
    """Each function with each noise."""
    for make in HALVES[half]:
        problem = make()
        spread = spread_of(problem)
        for share in SHARES:
            for kind, seen in (
                ("additive", noisy(problem, share * spread)),
                ("multiplicative", by_level(problem, share, spread)),
            ):
                yield Case(
                    problem.name,
                    (kind, share),
                    problem.problem.space,
                    problem.problem.objectives[0].direction,
                    partial(observed, seen),
                    partial(regret, problem),
                )


def observed(seen: BenchProblem, params: Mapping[str, Any], seed: int, number: int) -> float:
    """The value of a trial."""
    return float(next(iter(seen.evaluate(dict(params), rng(seed, f"noise {seen.name}", number)).values())))


def spread_of(problem: BenchProblem) -> float:
    """The standard deviation of values of random draws."""
    space, stream = problem.problem.space, rng(0, "spread")
    draws = [problem.noiseless(space.values(space.draw(stream))) for _ in range(DRAWS)]
    return float(np.std([problem.problem.standing(draw).loss for draw in draws]))


def by_level(problem: BenchProblem, share: float, spread: float) -> BenchProblem:
    """Normal noise of a share of the distance to a value that is one spread better than the best."""
    name = problem.problem.objectives[0].name

    def observe(values: dict, stream: np.random.Generator) -> dict:
        true = problem.noiseless(values)[name]
        return {name: true + share * (abs(true - problem.best) + spread) * float(stream.standard_normal())}

    return replace(problem, observe=observe)


# -- small models -----------------------------------------------------------------------------------------------------

SEEDS, CANDIDATES, OTHERS = 10_000, 100, 20
"""Seeds from here on are for true scores: of so many random configurations by so many, and then of the best ten."""


def models() -> Iterator[Case]:
    """Small models whose score is another one with each seed."""
    for learner in (tree, linear):
        for data in range(3):
            name = f"{learner.__name__}-{data}"
            yield Case(name, OWN, learner.space, "maximize", partial(trained, learner, data), truth(learner, data))


def trained(learner: Callable[..., Any], data: int, params: Mapping[str, Any], seed: int, number: int) -> float:
    """The value of a trial: each has another seed."""
    return fitted(learner, data, params, 1_000 * seed + number)


def tree(params: Mapping[str, Any], seed: int) -> Any:
    """One tree that splits at random."""
    from sklearn.tree import ExtraTreeClassifier

    return ExtraTreeClassifier(**params, random_state=seed)


tree.space = kilter.Space(
    {  # type: ignore[attr-defined]
        "max_depth": kilter.Int(1, 16),
        "min_samples_leaf": kilter.Int(1, 64, log=True),
        "max_features": kilter.Float(0.1, 1.0),
        "ccp_alpha": kilter.Float(1e-5, 0.1, log=True),
    }
)


def linear(params: Mapping[str, Any], seed: int) -> Any:
    """A linear model after two rounds of stochastic gradients."""
    from sklearn.linear_model import SGDClassifier

    rounds = {"max_iter": 2, "tol": None, "learning_rate": "invscaling"}
    return SGDClassifier("modified_huber", **params, **rounds, random_state=seed)


linear.space = kilter.Space(
    {  # type: ignore[attr-defined]
        "alpha": kilter.Float(1e-6, 1.0, log=True),
        "eta0": kilter.Float(1e-4, 1.0, log=True),
        "power_t": kilter.Float(0.1, 0.9),
    }
)


@cache
def rows(data: int) -> tuple[np.ndarray, ...]:
    """300 to fit on, 300 to score on."""
    from sklearn.datasets import make_classification
    from sklearn.model_selection import train_test_split

    x, y = make_classification(600, 12, n_informative=5, flip_y=0.1, class_sep=0.8, random_state=data)
    return tuple(train_test_split(x, y, test_size=300, random_state=data))


def fitted(learner: Callable[..., Any], data: int, params: Mapping[str, Any], seed: int) -> float:
    """The accuracy with a seed."""
    x, x_test, y, y_test = rows(data)
    return float(learner(params, seed).fit(x, y).score(x_test, y_test))


def truth(learner: Any, data: int) -> Callable[[Mapping[str, Any]], float]:
    """The regret of a configuration by its true score."""
    known: dict[str, float] = {}

    def score(params: Mapping[str, Any], seeds: int = 10 * OTHERS) -> float:
        key = json.dumps(dict(params), sort_keys=True)
        if key not in known:
            known[key] = float(np.mean([fitted(learner, data, params, SEEDS + i) for i in range(seeds)]))
        return known[key]

    drawn = learner.space.sample(CANDIDATES, seed=data)
    rough = np.array([np.mean([fitted(learner, data, p, 2 * SEEDS + i) for i in range(OTHERS)]) for p in drawn])
    typical = float(np.mean([part.max() for part in rough.reshape(-1, 10)]))
    best = max(score(drawn[i]) for i in np.argsort(-rough)[:10])
    return lambda params: (best - score(params)) / (best - typical)


# -- studies ----------------------------------------------------------------------------------------------------------


def studied(case: Case, arm: str, seed: int) -> Iterator[dict[str, Any]]:
    """What is chosen in one study, at each count."""
    study = kilter.create_study(space=case.space, direction=case.direction, scheduler=ARMS[arm], seed=seed)

    def truly(number: int) -> float:
        return min(case.regret(study.trials[number].params), WORST)

    for number in range(max(POINTS)):
        trial = study.ask()
        study.tell(trial, case.observe(trial.params, seed, number))
        if number + 1 in POINTS:
            tried = [trial.number for trial in study.trials if CONFIRMS not in trial.user_attrs]
            yield {
                "problem": case.name,
                "noise": list(case.noise),
                "arm": arm,
                "seed": seed,
                "trials": number + 1,
                "best observed": truly(study.best_trial.number),
                "recommended": truly(study.recommend().number),
                "best tried": None if case.noise == OWN else min(map(truly, tried)),
                "repeats": number + 1 - len(tried),
            }


def table(lines: list[dict[str, Any]]) -> str:
    """Ratios of mean regrets in each cell, with their standard errors over studies."""
    cells: dict[Any, dict[Any, dict[str, Any]]] = defaultdict(dict)
    for line in lines:
        key = line["problem"], line["seed"]
        cells[(*line["noise"], line["trials"])].setdefault(key, {})[line["arm"]] = line
    columns = [
        "noise",
        "trials",
        "studies",
        "best observed",
        "recommended",
        "±",
        "with repeats",
        "±",
        "repeats",
        "best tried",
    ]
    text = [f"| {' | '.join(columns)} |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    high: list[tuple[float, float]] = []
    for cell in sorted(cells, key=lambda cell: (str(cell[:-1]), cell[-1])):
        pairs = [both for both in cells[cell].values() if len(both) == len(ARMS)]
        if not pairs:
            continue
        seen = np.array([both["plain"]["best observed"] for both in pairs])
        ours, again = (np.array([both[arm]["recommended"] for both in pairs]) for arm in ARMS)
        if cell[0] == "own" or cell[1] >= 0.3:
            high.append((ours.mean() / seen.mean(), again.mean() / seen.mean()))
        count = np.mean([both["repeats"]["repeats"] for both in pairs])
        tried = [both["plain"]["best tried"] for both in pairs]
        floor = "" if None in tried else f"{np.mean(tried) / seen.mean():.2f}"
        name = " ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in cell[:-1])
        text.append(
            f"| {name} | {cell[-1]} | {len(pairs)} | {seen.mean():.3f} | {_ratio(ours, seen)} | {_ratio(again, seen)} "
            f"| {count:.1f} | {floor} |"
        )
    means = np.mean(high, axis=0)
    text.append(f"| mean where .3 and more, or own | | | | {means[0]:.2f} | | {means[1]:.2f} | | | |")
    return "\n".join(text)


def _ratio(ours: np.ndarray, seen: np.ndarray) -> str:
    ratio = ours.mean() / seen.mean()
    return f"{ratio:.2f} | {(ours - ratio * seen).std() / np.sqrt(len(seen)) / seen.mean():.2f}"


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="check")
    parser.add_argument("--seeds", default="0-1")
    parser.add_argument("--models", action="store_true")
    parser.add_argument("--lines", type=Path, default=Path("/tmp/kilter-noise.jsonl"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    wanted = "models" if given.models else given.half
    lines = [json.loads(line) for line in given.lines.read_text().splitlines()] if given.lines.exists() else []
    done = {(line["of"], line["problem"], *line["noise"], line["arm"], line["seed"]) for line in lines}
    low, _, high = given.seeds.partition("-")
    cases = list(models() if given.models else functions(given.half))
    for seed in range(int(low), int(high or low) + 1):
        for case in cases:
            for arm in ARMS:
                if (wanted, case.name, *case.noise, arm, seed) in done:
                    continue
                made = [{"of": wanted, **line} for line in studied(case, arm, seed)]
                lines += made
                with given.lines.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in made)
    told = table([line for line in lines if line["of"] == wanted])
    print(told)
    if given.out:
        given.out.write_text(f"Seeds {given.seeds}, {wanted} (bench_noise.py).\n\n{told}\n")


if __name__ == "__main__":
    main()
