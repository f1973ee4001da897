"""Records studies.db, studies of every sampler and scheduler, and studies.json, what each of them asked for next.

Whatever is changed later, these studies open and go on as they would have: tests/story/test_earlier_versions.py. Run it
as `python tests/data/record_studies.py` only to add a study, with the code that it is to remember, and say in a
decision page why what was recorded before is not to hold any more. The arithmetic of objectives is plain, so that it is
the same on every processor; what a model makes of results need not be, which is why the test allows some room for it.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
import tempfile

from kilter import Boolean, Choice, Fidelity, Float, Int, Ordinal, TrialState, create_study, load_study

HERE = pathlib.Path(__file__).parent
DATABASE, SUGGESTIONS = HERE / "studies.db", HERE / "studies.json"

TRIALS = 18
ASKED = 4
"""Suggestions that are recorded of each study; the second half once the first has been told."""

FLAT = {"x": Float(-2, 2), "rate": Float(1e-4, 1, log=True), "n": Int(1, 9), "kind": Choice(["a", "b", "c"])}
TREE = {
    "x": Float(0, 1, default=0.5),
    "depth": Ordinal([1, 2, 4, 8]),
    "model": Choice({"linear": {}, "boosted": {"trees": Int(10, 1000, log=True), "shrinks": Boolean()}}),
}
GRID = {"x": Float(0, 1, step=0.125), "kind": Choice(["a", "b", "c"])}
PLANE = {"x": Float(-2, 2), "y": Float(-2, 2)}
STEPS = 9
EPOCHS = Fidelity("epochs", 1, STEPS)

STUDIES = {
    **{f"{name}, flat": (FLAT, {"sampler": name}) for name in ("auto", "random", "sobol", "evolution", "gp", "tpe")},
    **{f"{name}, flat": (FLAT, {"sampler": name}) for name in ("turbo", "cmaes", "de", "nsga2")},
    **{f"{name}, tree": (TREE, {"sampler": name}) for name in ("auto", "random", "evolution", "tpe", "nsga2")},
    "grid": (GRID, {"sampler": "grid"}),
    "auto, suggested": (None, {"sampler": "auto"}),
    "tpe, suggested": (None, {"sampler": "tpe"}),
    "auto, two objectives": (PLANE, {"directions": {"cost": "minimize", "gain": "maximize"}}),
    "nsga2, two objectives": (PLANE, {"sampler": "nsga2", "directions": {"cost": "minimize", "gain": "maximize"}}),
    "auto, constrained": (PLANE, {"directions": {"cost": "minimize"}, "subject_to": {"gain": ">= 1"}}),
    "de, constrained": (PLANE, {"sampler": "de", "directions": {"cost": "minimize"}, "subject_to": {"gain": ">= 1"}}),
    **{
        f"{scheduler}, random": (PLANE, {"sampler": "random", "scheduler": scheduler, "fidelity": EPOCHS})
        for scheduler in ("auto", "asha", "hyperband", "pasha", "pbt")
    },
    **{
        f"{scheduler}, random": (PLANE, {"sampler": "random", "scheduler": scheduler})
        for scheduler in ("median", "percentile", "patient", "curve")
    },
    "auto, auto, epochs": (PLANE, {"fidelity": EPOCHS}),
}


class Clock:
    """A second passes whenever it is looked at."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1
        return self.now


def result(params: dict, share: float = 1.0) -> float:
    """A value by sums and products alone; `share` of a training is that much worse."""
    total = 1 - share
    for place, name in enumerate(sorted(params)):
        value = params[name]
        number = float(value) if isinstance(value, (int, float)) else "abclinearboosted".index(str(value)) / 4
        total += (number - 0.25 * (place + 1)) * (number - 0.25 * (place + 1)) / (1 + place)
    return total


def ask(study):
    """A trial with its configuration, suggested where the study declares nothing."""
    trial = study.ask()
    if STUDIES[study.study_name][0] is None:
        x = trial.suggest_float("x", -2, 2)
        if trial.suggest_categorical("kind", ["a", "b"]) == "b":
            trial.suggest_int("n", 1, 100, log=True)
        elif x > 0:
            trial.suggest_float("rate", 1e-3, 1, log=True)
    return trial


def tell(study, trial) -> None:
    """Its result, with a report at each step where a scheduler listens; every seventh trial fails."""
    settings, params = STUDIES[study.study_name][1], trial.params
    if trial.number % 7 == 3:
        study.tell(trial, state=TrialState.FAIL)
    elif "directions" in settings:
        study.tell(trial, {"cost": result(params), "gain": params["x"] * params["y"] + params["x"]})
    elif "scheduler" in settings or "fidelity" in settings:
        for step in range(1, int(trial.budget.get("epochs", STEPS)) + 1):
            trial.report(result(params, step / STEPS), step)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return
        study.tell(trial, result(params))
    else:
        study.tell(trial, result(params))


def suggestions(study) -> list[dict]:
    """What the study asks for next: two trials at once, and two more once these have been told."""
    found = []
    for _ in range(ASKED // 2):
        asked = [ask(study) for _ in range(2)]
        found += [{"number": trial.number, "attempt": trial.attempt, "params": trial.params} for trial in asked]
        for trial in asked:
            tell(study, trial)
    return found


def main() -> None:
    """Record all."""
    DATABASE.unlink(missing_ok=True)
    url = f"sqlite:///{DATABASE}"
    for name, (space, settings) in STUDIES.items():
        study = create_study(study_name=name, storage=url, space=space, seed=7, clock=Clock(), lease=None, **settings)
        for _ in range(TRIALS):
            tell(study, ask(study))
        print(f"{name}: {len(study.trials)} trials", file=sys.stderr)
        study.close()
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy.db"
        shutil.copy(DATABASE, copy)
        found = {}
        for name in STUDIES:
            study = load_study(study_name=name, storage=f"sqlite:///{copy}", clock=Clock(2_000_000.0), lease=None)
            found[name] = suggestions(study)
    SUGGESTIONS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
