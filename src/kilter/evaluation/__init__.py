"""How a configuration is scored: over frozen folds, seeds or data sets, part by part, and again at the end.

from kilter.evaluation import CrossValidation

objective = CrossValidation(5).objective(SVC(), X, y, scoring="roc_auc")
study = kilter.tune(objective, space, n_trials=100)
"""

from kilter.evaluation.data_sets import DataSets
from kilter.evaluation.seeds import Seeds
from kilter.evaluation.splitting import CrossValidation, Holdout, Repeated

__all__ = ["CrossValidation", "DataSets", "Holdout", "Repeated", "Seeds"]


def __dir__() -> list[str]:
    return list(__all__)
