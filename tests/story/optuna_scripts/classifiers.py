"""Which classifier, and then its own settings: branches of an if, cross-validated with scikit-learn."""

import sklearn.datasets
import sklearn.ensemble
import sklearn.model_selection
import sklearn.svm

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
X, y = sklearn.datasets.load_iris(return_X_y=True)


def objective(trial):
    name = trial.suggest_categorical("classifier", ["SVC", "RandomForest"])
    if name == "SVC":
        model = sklearn.svm.SVC(C=trial.suggest_float("svc_c", 1e-3, 1e3, log=True), gamma="auto")
    else:
        depth = trial.suggest_int("rf_max_depth", 2, 16, log=True)
        model = sklearn.ensemble.RandomForestClassifier(max_depth=depth, n_estimators=5, random_state=0)
    return sklearn.model_selection.cross_val_score(model, X, y, cv=3).mean()


study = optuna.create_study(direction="maximize")
study.optimize(objective, n_trials=15)
assert study.best_value > 0.85
for trial in study.trials:
    other = "rf_max_depth" if trial.params["classifier"] == "SVC" else "svc_c"
    assert other not in trial.params and len(trial.params) == 2
assert {t.params["classifier"] for t in study.trials} == {"SVC", "RandomForest"}
