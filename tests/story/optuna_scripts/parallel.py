"""Several trials at a time in threads, with shared state, and several calls."""

import threading
import time

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
threads = set()


def objective(trial):
    threads.add(threading.get_ident())
    time.sleep(0.01)
    x = trial.suggest_float("x", -1, 1)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if kind == "b":
        x += trial.suggest_float("shift", 0, 1)
    return x**2


study = optuna.create_study()
study.optimize(objective, n_trials=20, n_jobs=2, show_progress_bar=False)
assert len(study.trials) == 20
assert len(threads) == 2
assert sorted(t.number for t in study.trials) == list(range(20))
study.optimize(objective, n_trials=6, n_jobs=-1)
assert len(study.trials) == 26
assert all(("shift" in t.params) == (t.params["kind"] == "b") for t in study.trials)
