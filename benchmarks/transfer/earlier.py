"""Earlier studies of a family's tasks, and which of them a run is handed: a function of scenario, task and seed.

Each task has three studies of 60 trials, made once and kept in a folder: `chosen` by kilter's default sampler,
`random`, and `narrow`, random ones of a smaller space, in which one number did not exist yet (it stood at its middle)
and another had half of its range.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from families import TASKS, Family

import kilter
from kilter.core.numbers import Number
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng

TRIALS, DRAWS = 60, 400
SCENARIOS = {
    "related-10": "of ten other tasks",
    "related-3": "of three",
    "related-1": "of one",
    "changed-10": "of ten other tasks, in a smaller space",
    "half-10": "of ten, five of them with their values negated",
    "shuffled-5": "of five, values permuted within each",
    "mirrored-5": "of five, values negated",
    "unrelated-5": "of five bowls on the same space",
}
MISLEADING = ("shuffled-5", "mirrored-5", "unrelated-5")

Params = dict[str, Any]
Made = list[tuple[Params, float]]


@dataclass(frozen=True)
class Earlier:
    """A study as a method gets it; smaller values are better."""

    name: str
    space: Mapping[str, Parameter]
    trials: Made


@dataclass(frozen=True)
class Tasks:
    """What is known of a family beforehand: its studies by task and kind, and the losses of random configurations."""

    family: Family
    studies: list[dict[str, Made]]
    random: list[list[float]]

    def observed(self, params: Params, task: int, seed: int) -> float:
        """What a trial sees; the same configuration is seen alike in one run."""
        noise = rng(seed, "noise", crc32(json.dumps([task, params], sort_keys=True).encode())).standard_normal()
        return self.family.loss(params, task) * (1 + self.family.noise * float(noise))

    def handed(self, scenario: str, task: int, seed: int) -> list[Earlier]:
        """The earlier studies of a run, none of them of its own task; each `chosen` or `random` by a coin."""
        kind, number = scenario.rsplit("-", 1)
        stream = rng(seed, "which studies", task)
        others = [int(other) for other in stream.permutation(TASKS) if other != task][: int(number)]
        found = []
        for place, other in enumerate(others):
            coin = ("chosen", "random")[int(stream.integers(2))]
            which = "narrow" if kind == "changed" else coin
            space = narrowed(self.family, other)[0] if kind == "changed" else self.family.space.parameters
            configs, values = zip(*self.studies[other][which])
            told = VALUES.get("mirrored" if kind == "half" and place % 2 else kind, as_they_are)
            trials = list(zip(configs, told(self.family, configs, np.array(values), other)))
            found.append(Earlier(f"{self.family.name} {other}", space, trials))
        return found


# Values of misleading studies, of (family, configurations, values, task). ---------------------------------------------


def as_they_are(family: Family, configs: Sequence[Params], values: np.ndarray, task: int) -> list[float]:
    return values.tolist()


def negated(family: Family, configs: Sequence[Params], values: np.ndarray, task: int) -> list[float]:
    return (-values).tolist()


def permuted(family: Family, configs: Sequence[Params], values: np.ndarray, task: int) -> list[float]:
    return rng(0, "permuted", task).permutation(values).tolist()


def elsewhere(family: Family, configs: Sequence[Params], values: np.ndarray, task: int) -> list[float]:
    """A bowl with its best anywhere."""
    stream = rng(0, "elsewhere", task)
    centre = {name: stream.random() for name in family.space.parameters}
    weight = {name: stream.exponential() for name in family.space.parameters}
    units = [{name: family.space[name].unit(value) for name, value in config.items()} for config in configs]
    return [float(sum(weight[n] * (u - centre[n]) ** 2 for n, u in each.items())) for each in units]


VALUES: dict[str, Callable[..., list[float]]] = {
    "mirrored": negated, "shuffled": permuted, "unrelated": elsewhere
}  # fmt: skip


# Making them. ---------------------------------------------------------------------------------------------------------


def narrowed(family: Family, task: int) -> tuple[dict[str, Parameter], Params]:
    """A smaller space, and where the number stood that it lacks."""
    space = dict(family.space.parameters)
    numbers = [name for name, parameter in space.items() if isinstance(parameter, Number)]
    gone, halved = rng(0, "narrowed", task).permutation(numbers)[:2]
    middle = space.pop(gone).from_unit(0.5)
    half = space[halved]
    space[halved] = replace(half, **{("low", "high")[task % 2]: half.from_unit(0.5)})
    return space, {gone: middle}


def made(family: Family, folder: Path) -> Tasks:
    """What is known of a family, from the folder or, the first time, made: a minute."""
    path = folder / f"{family.name.replace(' ', '-')}.json"
    if not path.exists():
        configs = family.space.sample(DRAWS, seed=0)
        random = [[family.loss(config, task) for config in configs] for task in range(TASKS)]
        known = Tasks(family, [], random)
        studies = [
            {kind: make(known, task) for kind, make in (("chosen", chosen), ("random", drawn), ("narrow", narrow))}
            for task in range(TASKS)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"studies": studies, "random": random}))
    return Tasks(family, **json.loads(path.read_text()))


def chosen(known: Tasks, task: int) -> Made:
    study = kilter.create_study(space=known.family.space, seed=task)
    for _ in range(TRIALS):
        trial = study.ask()
        study.tell(trial, known.observed(trial.params, task, task))
    return [(trial.params, trial.value) for trial in study.trials]


def drawn(known: Tasks, task: int) -> Made:
    return seen(known, known.family.space.sample(TRIALS, seed=task + 1), task)


def narrow(known: Tasks, task: int) -> Made:
    space, stood = narrowed(known.family, task)
    configs = kilter.Space(space).sample(TRIALS, seed=task + 1)
    trials = seen(known, [{**config, **stood} for config in configs], task)
    return [(config, value) for config, (_, value) in zip(configs, trials)]


def seen(known: Tasks, configs: Sequence[Params], task: int) -> Made:
    return [(config, known.observed(config, task, task)) for config in configs]
