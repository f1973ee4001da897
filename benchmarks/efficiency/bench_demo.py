"""Does the demo keep its word? Over seeds, what it recommends and both defaults are worth on images never seen.

    python benchmarks/efficiency/bench_demo.py [--seeds 0-9] [--trials 40] [--out benchmarks/results/efficiency/demo.md]

A seed draws the noise on the images, the split, the folds and the search. Each row is written as its seed ends.
"""

from __future__ import annotations

import contest  # holds BLAS to one thread, before NumPy is loaded  # isort: skip
import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples"))
import demo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0-9")
    parser.add_argument("--trials", type=int, default=demo.TRIALS)
    parser.add_argument("--out", type=Path, default=contest.RESULTS / "demo.md")
    options = parser.parse_args()
    low, _, high = options.seeds.partition("-")
    seeds = range(int(low), int(high or low) + 1)
    held = 0
    with options.out.open("w") as file:

        def say(text: str) -> None:
            print(text, flush=True)
            print(text, file=file, flush=True)

        say(
            f"# What `make demo` gains, over {len(seeds)} seeds\n\n"
            f"{options.trials} trials each, both defaults among them. Log losses: of the recommended trial\n"
            "in cross-validation; then of it and of both defaults on images never seen. The ratio is to the better\n"
            "default, by its log loss there: below 1 the recommended trial is better. How much noise the images have\n"
            "was chosen so that there is something to gain: with less of it the defaults are hard to beat.\n\n"
            "| seed | chosen | cross-validated | unseen | boosting, defaults | network, defaults | ratio | CPU s |\n"
            "|--:|---|--:|--:|--:|--:|--:|--:|"
        )
        for seed in seeds:
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                study = demo.tune(seed, options.trials, f"sqlite:///{folder}/demo.db", progress="none")
                best = study.recommend()
                study.close()
            tuned, _ = demo.hold_out(seed, **best.params)
            boosting, network = (demo.hold_out(seed, model, **own)[0] for model, own in demo.DEFAULTS.items())
            ratio = tuned / min(boosting, network)
            held += ratio <= 1
            say(
                f"| {seed} | {best.params['model']} | {best.value:.3f} | {tuned:.3f} | {boosting:.3f} "
                f"| {network:.3f} | {ratio:.2f} | {time.process_time() - began:.0f} |"
            )
        say(
            f"\nNot worse than the better default in {held} of {len(seeds)}.\n\n"
            "Made by `python benchmarks/efficiency/bench_demo.py`."
        )


if __name__ == "__main__":
    main()
