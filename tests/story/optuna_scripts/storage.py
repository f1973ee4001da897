"""Storage in SQLite: resume with load_if_exists, load_study from a second object, attributes, summaries, deleting."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
url = "sqlite:///example.db"


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    trial.set_user_attr("accuracy", 1 - abs(x) / 10)
    trial.set_user_attr("note", ["a", {"b": x}])
    assert trial.user_attrs["accuracy"] == 1 - abs(x) / 10
    return x**2


study = optuna.create_study(study_name="example", storage=url)
study.set_user_attr("contributors", ["Ada", "Grace"])
study.optimize(objective, n_trials=3)

resumed = optuna.create_study(study_name="example", storage=url, load_if_exists=True)
assert len(resumed.trials) == 3
resumed.optimize(objective, n_trials=3)
assert len(resumed.trials) == 6
assert len(study.trials) == 6  # the first object sees them as well
assert study.best_params == resumed.best_params

loaded = optuna.load_study(study_name="example", storage=url)
assert loaded.user_attrs == {"contributors": ["Ada", "Grace"]}
for trial in loaded.trials:
    assert trial.user_attrs["accuracy"] == 1 - abs(trial.params["x"]) / 10
    assert trial.user_attrs["note"] == ["a", {"b": trial.params["x"]}]

try:
    optuna.create_study(study_name="example", storage=url)
except optuna.exceptions.DuplicatedStudyError as error:
    print("as it should be:", error)
else:
    raise AssertionError("the name is taken")
try:
    optuna.load_study(study_name="missing", storage=url)
except KeyError:
    pass
else:
    raise AssertionError("no such study")

optuna.create_study(study_name="another", storage=url)
assert set(optuna.get_all_study_names(storage=url)) == {"example", "another"}
optuna.delete_study(study_name="another", storage=url)
assert optuna.get_all_study_names(url) == ["example"]

frame = loaded.trials_dataframe()
assert len(frame) == 6
assert list(frame.columns) == [
    "number",
    "value",
    "datetime_start",
    "datetime_complete",
    "duration",
    "params_x",
    "user_attrs_accuracy",
    "user_attrs_note",
    "state",
]
assert frame["state"].tolist() == ["COMPLETE"] * 6
narrow = loaded.trials_dataframe(attrs=("number", "value", "params", "state"))
assert list(narrow.columns) == ["number", "value", "params_x", "state"]
assert narrow.sort_values("value").iloc[0]["params_x"] == loaded.best_params["x"]
assert ("params", "x") in loaded.trials_dataframe(multi_index=True).columns
