"""An objective that is the mean over instances, with a pruner that compares them one by one."""

import random

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
noise = [random.Random(i).gauss(0, 0.02) for i in range(40)]


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    results = []
    instances = list(range(40))
    random.Random(trial.number).shuffle(instances)
    for instance in instances:
        results.append((x - 0.3) ** 2 + instance % 7 + noise[instance])
        trial.report(results[-1], instance)
        if trial.should_prune():
            return sum(results) / len(results)
    return sum(results) / len(results)


sampler = optuna.samplers.TPESampler(seed=1)
study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.WilcoxonPruner(p_threshold=0.1))
study.enqueue_trial({"x": 0.35})
study.optimize(objective, n_trials=25)
assert study.trials[0].params == {"x": 0.35}
asked = [len(t.intermediate_values) for t in study.trials]
assert min(asked) < 40 and asked.count(40) >= 1
