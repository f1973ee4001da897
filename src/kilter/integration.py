"""Where Optuna's users look for callbacks: each name is refused with the module of kilter.integrations that does it."""

from typing import NoReturn

from kilter.core.names import refusal

__all__: list[str] = []

_INSTEAD = {
    "BoTorchSampler": 'a Gaussian process is the default, create_study(sampler="auto")',
    "CatBoostPruningCallback": "use kilter.integrations.catboost.TrialCallback",
    "DaskStorage": "workers need no server: start the same script in several shells on one SQLite file",
    "KerasPruningCallback": "use kilter.integrations.keras.TrialCallback",
    "LightGBMPruningCallback": "use kilter.integrations.lightgbm.TrialCallback",
    "LightGBMTuner": "tune kilter.spaces.lightgbm() with kilter.tune",
    "LightGBMTunerCV": "tune kilter.spaces.lightgbm() with kilter.tune",
    "MLflowCallback": "use observers=[kilter.integrations.mlflow.MLflowTracker()]",
    "OptunaSearchCV": "use kilter.integrations.sklearn.KilterSearchCV",
    "PyCmaSampler": "use kilter.samplers.CmaEsSampler",
    "PyTorchLightningPruningCallback": "use kilter.integrations.lightning.TrialCallback",
    "TensorBoardCallback": "use observers=[kilter.integrations.tensorboard.TensorBoardTracker()]",
    "TFKerasPruningCallback": "use kilter.integrations.keras.TrialCallback",
    "TorchDistributedTrial": "use kilter.integrations.torch.DistributedTrial",
    "WeightsAndBiasesCallback": "use observers=[kilter.integrations.wandb.WandbTracker()]",
    "XGBoostPruningCallback": "use kilter.integrations.xgboost.TrialCallback",
}
_OTHERS = (
    "call trial.report() and trial.should_prune() in a callback of your own; "
    "kilter.integrations has one for each library that it knows"
)


def __getattr__(name: str) -> NoReturn:
    raise refusal(__name__, name, "" if name.startswith("_") else _INSTEAD.get(name, _OTHERS))


def __dir__() -> list[str]:
    return list(__all__)
