"""Optuna, both ways: kilter's samplers inside `optuna.create_study`, and whole studies from one store to the other.

    sampler = KilterSampler(seed=1)
    optuna.create_study(sampler=sampler).optimize(objective, n_trials=50)

    study = import_study("sqlite:///optuna.db", "sqlite:///kilter.db", study_name="resnet")
    export_study(study, "sqlite:///optuna-again.db")

Words differ in one place: what Optuna calls a distribution is a parameter here; `to_kilter` and `from_kilter` convert.
"""

from kilter.core.errors import needed

with needed("optuna", "kilter.integrations.optuna"):
    import optuna  # noqa: F401  # before the files of this package, which need it

from kilter.integrations.optuna.exporting import export_study
from kilter.integrations.optuna.importing import import_study
from kilter.integrations.optuna.parameters import from_kilter, to_kilter
from kilter.integrations.optuna.sampler import KilterSampler
from kilter.integrations.optuna.stores import study_names

__all__ = ["KilterSampler", "export_study", "from_kilter", "import_study", "study_names", "to_kilter"]
