"""Do small networks teach a large one? The first configuration at eight times the width, beside what people do.

    python benchmarks/scaling/bench_scaling.py [--networks mlp transformer] [--seeds 3] [--trainings FILE]

Studies of 16 trials at three widths each teach one at the target's. Of the configuration that it tries first, and of
the best of its first three, the regret: 0 is the best of a sweep at the target's width, 1 the mean of configurations
from all over the space. Beside them the best small configuration as it is, and the same studies where nothing is said
of how the learning rate moves. Trainings are kept in a file, and not done twice.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterator

import networks
import numpy as np
import torch
from scipy.stats.qmc import Sobol

import kilter
from kilter import Float, Learnt, Space

WIDTHS = {"mlp": ((16, 32, 64), 512), "transformer": ((16, 24, 32), 256)}
"""Of the small studies, and the target's."""
TRIALS = 16
SWEPT = {"mlp": (13, 48), "transformer": (9, 22)}
"""Learning rates at the target's width beside a usual decay and warm-up, and configurations from all over the space."""
EXPONENTS = {"standard": Learnt(-0.7, sd=0.3), "µP": Learnt(0.0, sd=0.3)}
"""What is believed of the learning rate's exponent by width before any trial."""


def space(exponent: Learnt | None) -> Space:
    lr = Float(1e-4, 1.0, log=True)
    return Space(
        {
            "lr": lr if exponent is None else lr.scaling(width=exponent),
            "weight_decay": Float(1e-5, 1.0, log=True),
            "warmup": Float(0.0, 0.5),
        }
    )


class Trainings:
    """What configurations came to, remembered in a file of JSON lines."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.known = {tuple(key): loss for key, loss in map(json.loads, lines)}

    def __call__(self, network: str, width: int, parameterisation: str, config: dict[str, float], seed: int) -> float:
        key = (network, width, parameterisation, seed, *(float(f"{value:.6g}") for value in config.values()))
        if key not in self.known:
            self.known[key] = networks.trained(network, width, parameterisation == "µP", config, seed)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self.known[key]]) + "\n")
        return self.known[key]


def sweep(network: str) -> tuple[list[dict], list[dict]]:
    """Configurations at the target's width: learning rates, and from all over the space."""
    rates, spread = SWEPT[network]
    everywhere = space(None)
    decoded = [everywhere.decode(row.tolist()) for row in Sobol(3, seed=7).random(spread)]
    return [everywhere.decode([u, 0.5, 0.3]) for u in np.linspace(0.15, 0.95, rates)], decoded


def lines(network: str, parameterisation: str, seeds: int, train: Trainings) -> Iterator[dict]:
    """For each seed the regret of each way to choose a configuration at the target's width."""
    widths, target = WIDTHS[network]
    swept, spread = sweep(network)
    losses = [train(network, target, parameterisation, config, 0) for config in swept + spread]
    best, chance = min(losses), float(np.mean(losses[len(swept) :]))

    def regret(config: dict) -> float:
        return (train(network, target, parameterisation, config, 0) - best) / (chance - best)

    for seed in range(1, seeds + 1):
        small = [small_study(network, width, parameterisation, seed, train) for width in widths]
        first = [regret(config) for config in asked(EXPONENTS[parameterisation], small, target, 3)]
        unmoved = asked(None, small, target, 1)
        yield {
            "first": first[0],
            "best of three": min(first),
            "nothing said": regret(unmoved[0]),
            "best small one": regret(small[-1].best_params),
        }


def small_study(network: str, width: int, parameterisation: str, seed: int, train: Trainings) -> kilter.Study:
    study = kilter.create_study(
        space=space(EXPONENTS[parameterisation]),
        direction="minimize",
        scale={"width": width},
        seed=100 * seed + width,
        study_name=f"width {width}",
        transfer=None,
    )
    for _ in range(TRIALS):
        trial = study.ask()
        study.tell(trial, train(network, width, parameterisation, dict(trial.params), seed))
    return study


def asked(exponent: Learnt | None, small: list[kilter.Study], target: int, count: int) -> list[dict]:
    """The first configurations of a study at the target's width."""
    study = kilter.create_study(
        space=space(exponent), direction="minimize", scale={"width": target}, transfer=small, seed=0
    )
    trials = [study.ask() for _ in range(count)]
    print("   ", study.explain(0))
    return [dict(trial.params) for trial in trials]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trainings", type=pathlib.Path, default=pathlib.Path("trainings.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    train = Trainings(given.trainings)
    for network in given.networks:
        for parameterisation in EXPONENTS:
            rows = list(lines(network, parameterisation, given.seeds, train))
            for name in rows[0]:
                values = [row[name] for row in rows]
                shown = " ".join(f"{value:.3f}" for value in values)
                print(f"{network:12} {parameterisation:9} {name:15} {np.mean(values):.3f}   ({shown})", flush=True)


if __name__ == "__main__":
    main()
