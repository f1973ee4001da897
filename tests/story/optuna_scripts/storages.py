"""Storages by class: a database with heartbeats, a journal, memory; resuming, summaries and copies."""

import pickle

import kilter as optuna
from kilter.storages import JournalStorage, RDBStorage, RetryFailedTrialCallback
from kilter.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    assert trial.datetime_start is not None
    return (x - 2) ** 2


storage = RDBStorage(
    url="sqlite:///runs.db",
    engine_kwargs={"connect_args": {"timeout": 20}},
    heartbeat_interval=60,
    grace_period=120,
    failed_trial_callback=RetryFailedTrialCallback(max_retry=3),
)
study = optuna.create_study(storage=storage, study_name="first", sampler=optuna.samplers.TPESampler(seed=1))
study.set_user_attr("contributors", ["Ada"])
study.optimize(objective, n_trials=4)
with open("sampler.pkl", "wb") as file:
    pickle.dump(study.sampler, file)
with open("sampler.pkl", "rb") as file:
    sampler = pickle.load(file)
again = optuna.create_study(storage="sqlite:///runs.db", study_name="first", load_if_exists=True, sampler=sampler)
again.optimize(objective, n_trials=4)
assert len(again.trials) == 8
assert RetryFailedTrialCallback.retried_trial_number(again.trials[0]) is None

journal = JournalStorage(JournalFileBackend("journal.log"))
optuna.copy_study(from_study_name="first", from_storage=storage, to_storage=journal, to_study_name="copy")
copy = optuna.load_study(study_name="copy", storage=journal, sampler=None, pruner=optuna.pruners.NopPruner())
assert [t.params for t in copy.trials] == [t.params for t in again.trials]
copy.optimize(objective, n_trials=2)
assert optuna.get_all_study_names(journal) == ["copy"]

optuna.create_study(study_name="second", storage=storage, directions=["minimize", "maximize"])
summaries = {s.study_name: s for s in optuna.get_all_study_summaries(storage=storage)}
assert set(summaries) == {"first", "second"}
first = summaries["first"]
assert first.n_trials == 8 and first.user_attrs == {"contributors": ["Ada"]}
assert first.best_trial.value == again.best_value and first.datetime_start is not None
assert first.direction == optuna.study.StudyDirection.MINIMIZE
assert len(summaries["second"].directions) == 2

memory = optuna.storages.InMemoryStorage()
optuna.create_study(study_name="m", storage=memory)
assert optuna.load_study(study_name="m", storage=memory).trials == []
