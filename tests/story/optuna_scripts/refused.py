"""What is not there says so in one line; with Optuna itself it is there."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study()
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
try:
    from kilter.storages import run_grpc_proxy_server
except ImportError as error:
    assert "SQLite" in str(error) and "\n" not in str(error)
    print("as it should be:", error)
else:
    assert callable(run_grpc_proxy_server)
assert callable(getattr(optuna.samplers, "TPESampler", None))
