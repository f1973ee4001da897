"""A network whose number of layers is searched, each with its own width."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    n_layers = trial.suggest_int("n_layers", 1, 4)
    size, total = 64, 0
    for i in range(n_layers):
        units = trial.suggest_int(f"n_units_l{i}", 4, 128, log=True)
        total += abs(units - size)
        size //= 2
    if trial.suggest_categorical("optimizer", ["Adam", "SGD"]) == "SGD":
        total += trial.suggest_float("momentum", 0.0, 0.99)
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    return total + lr


study = optuna.create_study(direction="minimize")
study.optimize(objective, n_trials=40, timeout=60)
assert len(study.trials) == 40
for trial in study.trials:
    assert sum(name.startswith("n_units_l") for name in trial.params) == trial.params["n_layers"]
    assert ("momentum" in trial.params) == (trial.params["optimizer"] == "SGD")
complete = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
assert len(complete) == 40

print("Best trial:")
for key, value in study.best_trial.params.items():
    print(f"    {key}: {value}")
