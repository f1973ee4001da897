"""All plots of a study, as in Optuna's tutorial."""

import kilter as optuna
from kilter.visualization import (
    is_available,
    plot_contour,
    plot_edf,
    plot_hypervolume_history,
    plot_intermediate_values,
    plot_optimization_history,
    plot_parallel_coordinate,
    plot_param_importances,
    plot_pareto_front,
    plot_rank,
    plot_slice,
    plot_timeline,
)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    layers = trial.suggest_int("layers", 1, 3)
    if layers > 1:
        trial.suggest_categorical("act", ["relu", "tanh"])
    for step in range(10):
        trial.report(layers * lr + 1 / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return layers * lr


study = optuna.create_study(
    direction="minimize",
    sampler=optuna.samplers.TPESampler(seed=10),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
)
study.optimize(objective, n_trials=30)

assert is_available()
plot_optimization_history(study)
plot_intermediate_values(study)
plot_parallel_coordinate(study)
plot_parallel_coordinate(study, params=["lr", "layers"])
plot_contour(study, params=["lr", "layers"])
plot_slice(study, params=["lr", "layers"])
plot_rank(study, params=["lr", "layers"])
plot_edf([study, study])
plot_param_importances(study)
plot_param_importances(study, target=lambda trial: trial.duration.total_seconds(), target_name="duration")
plot_param_importances(study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=1), params=["lr", "layers"])
plot_timeline(study, n_recent_trials=10)
seconds = plot_slice(study, target=lambda trial: trial.duration.total_seconds(), target_name="duration")
seconds.update_layout(title="Seconds", width=900)
assert seconds.layout.title.text == "Seconds"
assert "<html>" in seconds.to_html(include_plotlyjs="cdn")

axes = optuna.visualization.matplotlib.plot_optimization_history(study)
axes.set_title("History")
axes.figure.savefig("history.png")

two = optuna.create_study(directions=["minimize", "maximize"], sampler=optuna.samplers.NSGAIISampler(seed=1))
two.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), n_trials=20)
plot_pareto_front(two, target_names=["cost", "gain"])
plot_pareto_front(two, include_dominated_trials=False)
plot_hypervolume_history(two, reference_point=[1.0, 0.0])
plot_optimization_history(two, target=lambda trial: trial.values[0], target_name="cost")
