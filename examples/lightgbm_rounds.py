"""Boosting rounds as a fidelity: the objective takes `rounds`, and the scheduler says how many a trial is worth.

Every trial begins with a few rounds of LightGBM. The best third of those goes on to three times as many, from the
model in its checkpoint, and so on up to the full number. At the end the same configurations are trained in full.
"""

from __future__ import annotations

import argparse

import lightgbm
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import kilter
from kilter.integrations.lightgbm import resumed, save

ROUNDS = kilter.Fidelity("rounds", 30, 270, eta=3)

space = {
    "learning_rate": kilter.Float(0.01, 0.5, log=True),
    "num_leaves": kilter.Int(4, 63, log=True),
    "min_data_in_leaf": kilter.Int(2, 100, log=True),
    "feature_fraction": kilter.Float(0.2, 1.0),
    "lambda_l2": kilter.Float(1e-3, 100, log=True),
}


def data():
    """Rows for training, for choosing, and for the final test; one label in ten is wrong."""
    rows, labels = make_classification(2400, 25, n_informative=8, n_redundant=5, flip_y=0.1, random_state=3)
    rest, test, known, hidden = train_test_split(rows, labels, test_size=0.5, random_state=0)
    return [*train_test_split(rest, known, test_size=0.4, random_state=0), test, hidden]


def train(rounds, trial, **settings):
    """Log loss on the rows for choosing after so many rounds; those done before are not done again."""
    rows, valid, labels, wanted, test, hidden = data()
    earlier = resumed(trial)
    done = earlier.current_iteration() if earlier else 0
    booster = lightgbm.train(
        {"objective": "binary", "num_threads": 1, "seed": 0, "verbosity": -1, **settings},
        lightgbm.Dataset(rows, labels),
        num_boost_round=rounds - done,
        init_model=earlier,
    )
    save(trial, booster)
    trial.set_user_attr("test", log_loss(hidden, booster.predict(test)))
    return log_loss(wanted, booster.predict(valid))


def search(scheduler: str, trials: int, configurations: list[dict] | None = None) -> kilter.Study:
    study = kilter.create_study(space=space, fidelity=ROUNDS, scheduler=scheduler, seed=0)
    for configuration in configurations or ():
        study.enqueue_trial(configuration)
    study.optimize(train, n_trials=trials, progress="none")
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    trials = parser.parse_args().trials

    halved = search("asha", trials)
    full = search("fifo", trials, [trial.params for trial in halved.trials])
    print(f"{trials} configurations of LightGBM, up to {ROUNDS.high} rounds each")
    for name, study in (("all trained in full", full), ("promotion by rungs", halved)):
        rounds = sum(trial.last_step for trial in study.trials)
        best = study.best_trial
        print(
            f"{name:20} {rounds:5} rounds   log loss for choosing {best.value:.4f}   "
            f"on the test {best.user_attrs['test']:.4f}   trial {best.number}"
        )
    saved = 1 - sum(t.last_step for t in halved.trials) / sum(t.last_step for t in full.trials)
    states = [trial.state.name for trial in halved.trials]
    print(f"compute saved: {saved:.0%} ({states.count('PAUSED')} of {trials} trials never went on)")


if __name__ == "__main__":
    main()
