"""Every kind of suggestion, with step and log; the same name twice in a trial; keyword and positional arguments."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    optimizer = trial.suggest_categorical("optimizer", ["MomentumSGD", "Adam"])
    layers = trial.suggest_int("num_layers", 1, 3)
    channels = trial.suggest_int("num_channels", 32, 512, log=True)
    units = trial.suggest_int("num_units", 10, 100, step=5)
    dropout = trial.suggest_float("dropout_rate", 0.0, 1.0)
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True)
    path = trial.suggest_float("drop_path_rate", 0.0, 1.0, step=0.1)
    mixed = trial.suggest_categorical("mixed", [None, True, 1.5, "text", 7])
    flag = trial.suggest_categorical(name="flag", choices=(False, True))
    constant = trial.suggest_int("constant", 5, 5)

    assert trial.suggest_float("dropout_rate", 0.0, 1.0) == dropout
    assert optimizer in ("MomentumSGD", "Adam")
    assert isinstance(layers, int) and 1 <= layers <= 3
    assert 32 <= channels <= 512
    assert units % 5 == 0 and 10 <= units <= 100
    assert 1e-5 <= rate <= 1e-2
    assert abs(path * 10 - round(path * 10)) < 1e-9
    assert mixed in (None, True, 1.5, "text", 7)
    assert isinstance(flag, bool)
    assert constant == 5
    assert trial.params["num_units"] == units
    assert list(trial.params)[0] == "optimizer"
    assert set(trial.distributions) == set(trial.params)
    return dropout * rate + path + layers


study = optuna.create_study(study_name="kinds", direction="minimize")
study.optimize(objective, n_trials=25)
assert study.study_name == "kinds"
assert all(t.state == optuna.trial.TrialState.COMPLETE for t in study.trials)
distributions = study.best_trial.distributions
assert distributions["learning_rate"].log
assert (distributions["num_units"].low, distributions["num_units"].high) == (10, 100)
