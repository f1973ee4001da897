"""Keras 3, on any of its backends: a callback for `model.fit`, and `tune` for those who come from KerasTuner.

    def objective(trial):
        model = network(trial.params["width"], trial.params["learning_rate"])
        callback = TrialCallback(trial, "val_accuracy")
        history = model.fit(x, y, validation_data=valid, epochs=27, callbacks=[callback])
        return max(history.history["val_accuracy"])

    study, model = tune(build, (x, y), valid, n_trials=50, epochs=27)  # build(trial) returns a compiled model

What is kept of a training lies in `keras/` below the trial's checkpoint:

    <epoch>.weights.h5    Keras' own file of weights, the optimizer's variables included: of the last and the best epoch
    state.kilter          how many epochs are done, their logs, and the states of the layers' random seeds

The second file is replaced as a whole once the first is written, so a training that is killed goes on after the last
epoch of which both are there.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

import kilter.api
from kilter.core.errors import InvalidInput, NotReady, UnknownName, needed
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import UNSET, Parameter
from kilter.core.problem import Fidelity
from kilter.frozen import FrozenTrial
from kilter.objective import checkpoint as state_file
from kilter.objective.trial import Trial

# Keras imports its backend, so that may be what is not there.
with needed("keras", "kilter.integrations.keras", "and torch, jax or tensorflow, the one that KERAS_BACKEND names"):
    import keras

DIRECTORY = "keras"
"""The directory below the trial's checkpoint."""

DIRECTIONS = ("minimize", "maximize")

SMALL = re.compile(r"(^|_)(loss|error|mae|mse|mape|msle|mean_\w+_error|hinge|kl_divergence|crossentropy)(_\d+)?$")
LARGE = re.compile(r"(^|_)(acc|accuracy|auc|precision|recall|f1_score|fbeta_score|r2_score|iou|mean_io_u)(_\d+)?$")
"""Names of metrics that say which way is better, Keras' suffixes for repeated ones included."""


class TrialCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras comes without types
    """Reports each epoch of a fit to the trial, keeps the training in its checkpoint, and stops where the trial leaves.

    `monitor` is the key of Keras' logs whose value the trial reports, or several keys, reported as a dict of those
    names: with several objectives name them as Keras names its metrics. The step is the number of epochs done, so that
    it fits Fidelity("epochs", 1, 81). Where the scheduler ends or pauses the trial, `fit` returns as usual after that
    epoch, and the trial counts by its last report whatever the objective returns.

    With `checkpoint`, an attempt after a pause, a lost worker or a fork goes on after the last epoch kept: with the
    weights, the optimizer's variables, the seeds of dropout and its like, and the logs, so that the history that `fit`
    returns has all epochs from the first. `epochs` of `fit` stays the total; a trial has one such fit. With `seed`, a
    whole number from 0 on, Keras' random numbers begin anew with each epoch, those that shuffle the data included: then
    a training that was broken off ends with the very same weights as one that was not. A fork keeps the learning rate
    that its own model was compiled with. States of other callbacks, such as the patience of EarlyStopping, begin anew.

    With a `direction`, "minimize" or "maximize", the weights of the best epoch by `monitor` stay too: `best_weights`.

    Raises InvalidInput for a key that the logs lack, and lists those that they have.

    >>> import kilter
    >>> x = np.linspace(0, 1, 32, dtype="float32")[:, None]
    >>> def objective(trial):
    ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.SGD(trial.suggest_float("lr", 0.1, 0.3)), "mse")
    ...     history = model.fit(x, 2 * x, epochs=3, verbose=0, callbacks=[TrialCallback(trial, "loss")])
    ...     return history.history["loss"][-1]
    >>> study = kilter.create_study(seed=0)
    >>> study.optimize(objective, n_trials=1, progress="none")
    >>> list(study.best_trial.intermediate_values)
    [1, 2, 3]
    """

    def __init__(
        self,
        trial: Trial,
        monitor: str | Sequence[str] = "val_loss",
        *,
        checkpoint: bool = True,
        seed: int | None = None,
        direction: str | None = None,
    ) -> None:
        super().__init__()
        if direction not in (None, *DIRECTIONS):
            raise InvalidInput(f"direction={direction!r}: it must be 'minimize' or 'maximize', or None")
        if direction is not None and not checkpoint:
            raise InvalidInput(f"direction={direction!r} keeps the weights of the best epoch: leave checkpoint=True")
        self.trial = trial
        self.monitor = monitor
        self.checkpoint = checkpoint
        self.seed = seed
        self.direction = direction
        self._kept: dict[str, list[Any]] = {}
        """The logs of the epochs done, by key."""
        self._resumed: dict[str, list[Any]] = {}
        """Those of the epochs that an earlier attempt did."""
        self._epochs = 0
        """The number of epochs done."""

    @property
    def names(self) -> list[str]:
        """The monitored keys of the logs."""
        return [self.monitor] if isinstance(self.monitor, str) else list(self.monitor)

    @property
    def best_epoch(self) -> int | None:
        """The number of epochs done after the best one; None without a direction, or while all values are NaN."""
        values = np.asarray(self._kept.get(self.names[0], ()), float)
        if self.direction is None or np.isnan(values).all():
            return None
        return 1 + int(np.nanargmin(values) if self.direction == "minimize" else np.nanargmax(values))

    @property
    def best_weights(self) -> str:
        """The file with the weights of the best epoch; raises NotReady where there is none."""
        if self.best_epoch is None:
            raise NotReady(f"no best weights by {self.names[0]!r}: give direction=, and train until a value is not NaN")
        return self._weights(self.best_epoch)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Go on where an earlier attempt stood."""
        kept = state_file.load(self._directory) if self.checkpoint else None
        if kept is None:
            return
        self._epochs, self._kept = kept["epochs"], kept["logs"]
        self._resumed = {key: list(values) for key, values in self._kept.items()}
        self._load(kept["seeds"])
        self.model._initial_epoch = self._epochs  # where Keras' own BackupAndRestore says it too

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the random numbers of this epoch, which no epoch before it has a part in."""
        if self.seed is not None:
            keras.utils.set_random_seed(self.seed + epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report, save, ask: in this order a training that is killed in between repeats the epoch, or goes on."""
        logs = logs or {}
        missing = [name for name in self.names if name not in logs]
        if missing:
            raise InvalidInput(
                f"monitor={missing[0]!r} is not in the logs of epoch {epoch + 1}, which have "
                f"{', '.join(sorted(logs))}: name one of these, compile the model with the metric, or, where it begins "
                f"with val_, give fit() validation data and leave validation_freq at 1"
            )
        values = {name: float(logs[name]) for name in self.names}
        self.trial.report(values[self.monitor] if isinstance(self.monitor, str) else values, epoch + 1)
        self._epochs = epoch + 1
        for key, value in logs.items():
            self._kept.setdefault(key, []).append(np.asarray(value).tolist())
        if self.checkpoint:
            self._save()
        if self.trial.leaves():
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Put the epochs of earlier attempts in front of the history."""
        self.model._initial_epoch = None  # a second fit of this model is none of ours
        if self._resumed:
            history = self.model.history
            done = max(map(len, self._resumed.values()))
            history.epoch = [*range(done), *history.epoch]
            history.history = {
                key: [*self._resumed.get(key, ()), *history.history.get(key, ())]
                for key in dict.fromkeys([*self._resumed, *history.history])
            }

    # -- what is kept ---------------------------------------------------------------------------------------------

    @property
    def _directory(self) -> str:
        return os.path.join(self.trial.checkpoint_dir, DIRECTORY)

    def _weights(self, epoch: int) -> str:
        return os.path.join(self._directory, f"{epoch}.weights.h5")

    def _save(self) -> None:
        directory = self._directory
        os.makedirs(directory, exist_ok=True)
        unfinished = os.path.join(directory, "unfinished.weights.h5")
        self.model.save_weights(unfinished, overwrite=True)
        os.replace(unfinished, self._weights(self._epochs))
        seeds = [keras.ops.convert_to_numpy(seed) for seed in self._seeds()]
        state_file.save(directory, {"epochs": self._epochs, "logs": self._kept, "seeds": seeds})
        needed_still = {os.path.basename(self._weights(n)) for n in (self._epochs, self.best_epoch) if n is not None}
        for name in os.listdir(directory):
            if name.endswith(".weights.h5") and name not in needed_still:
                os.remove(os.path.join(directory, name))

    def _load(self, seeds: Sequence[np.ndarray]) -> None:
        if not self.model.built:
            raise InvalidInput("a model that goes on needs its weights before the first batch: give it a keras.Input")
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        rates = [variable for variable in optimizer.variables if variable.name == "learning_rate"]
        own = [keras.ops.convert_to_numpy(rate) for rate in rates]
        self.model.load_weights(self._weights(self._epochs))
        for variable, value in zip(self._seeds(), seeds):
            variable.assign(value)
        if self.trial.parent is not None and self.trial.attempt == 1:  # a fork, whose learning rate is its own
            for variable, value in zip(rates, own):
                variable.assign(value)

    def _seeds(self) -> list[Any]:
        """The states of dropout and its like, which Keras does not count as weights."""
        return [variable for variable in self.model.variables if variable.name == "seed_generator_state"]


# -- the way of KerasTuner --------------------------------------------------------------------------------------------


class Tuned(NamedTuple):
    """What `tune` returns: the study, and the best trial's model with the weights of its best epoch."""

    study: kilter.api.Study
    model: Any


def _unchecked(model: Any) -> None:
    """Nothing: a model that is not kept in a file need not be one that can be."""


def tune(
    build: Callable[[Any], Any],
    train: Any,
    validation: Any = None,
    *,
    epochs: int | Fidelity,
    n_trials: int | None = None,
    objective: str = "val_accuracy",
    direction: str | None = None,
    fit: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None,
    seed: int = 0,
    path: str | None = None,
    **options: Any,
) -> Tuned:
    """Find the best model that `build(trial)` can make, and return it as it was after its best epoch, not retrained.

    `build` suggests what it needs, as in trial.suggest_int("units", 16, 256, log=True), and returns a compiled model;
    a build that raises fails its trial, and the study goes on. `train` is (x, y), (x, y, sample_weight) or any dataset
    that `model.fit` takes, and so is `validation`. `objective` is a key of Keras' logs; a trial's value is its best one
    over the epochs. Its `direction`, "minimize" or "maximize", is known for Keras' usual metrics. `fit` holds more
    arguments of `model.fit`, or is a function of the trial that returns them:
    lambda trial: {"batch_size": trial.suggest_int("batch_size", 16, 128, log=True)}.

    `epochs` is how long each trial may train, unless `fit` has epochs of its own, or a kilter.Fidelity: then trials
    pause at its levels and the best go on. `path`, which ends in .keras, is where the model is saved too. All other
    arguments are those of kilter.tune: storage, study_name (by default that of `build`), scheduler, timeout, space,
    observers and so on. Called again with the same storage it goes on.

    `build` and `fit` are called once more in the end, for the best trial, with its number and its configuration.

    Raises InvalidInput where the direction is not known, NotReady where no trial is complete, and what kilter.tune
    raises.

    >>> x = np.linspace(0, 1, 32, dtype="float32")[:, None]
    >>> def line(trial):
    ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.SGD(trial.suggest_float("lr", 0.01, 0.5, log=True)), "mse")
    ...     return model
    >>> study, model = tune(line, (x, 2 * x), n_trials=2, epochs=3, objective="loss", storage=None, progress="none")
    >>> len(study.trials), model.count_params()
    (2, 2)
    """
    way = _way(objective, direction, path)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(train)
    data = {"x": x, "y": y, "sample_weight": weights, "validation_data": validation, "verbose": 0}

    def made(trial: Trial | FrozenTrial) -> Any:
        keras.backend.clear_session()  # names and memory of the models before
        keras.utils.set_random_seed(seed)
        model = build(trial)
        if not isinstance(model, keras.Model):
            raise InvalidInput(f"build returned {type(model).__name__}: it must return a compiled keras.Model")
        return model

    def arguments(trial: Trial | FrozenTrial) -> dict[str, Any]:
        own = (fit(trial) if callable(fit) else fit) or {}
        if not isinstance(epochs, Fidelity):
            return {**data, "epochs": epochs, **own}
        if "epochs" in own:
            raise InvalidInput(f"fit gives epochs={own['epochs']!r}, which {epochs!r} is to choose: leave one out")
        return {**data, "epochs": int(trial.budget[epochs.name]), **own}

    def train_one(trial: Trial) -> float:
        model = made(trial)
        check(model)
        given = arguments(trial)
        callback = TrialCallback(trial, objective, seed=seed, direction=way)
        history = model.fit(**{**given, "callbacks": [*(given.get("callbacks") or ()), callback]})
        if callback.best_epoch is None:
            return float("nan")
        trial.set_user_attr("best_epoch", callback.best_epoch)
        return float(history.history[objective][callback.best_epoch - 1])

    check = keras.Model.get_config if path is not None else _unchecked  # the path is nothing that a result hangs on
    train_one.__name__ = getattr(build, "__name__", "keras")
    study = kilter.api.tune(
        train_one,
        n_trials=n_trials,
        fidelity=epochs if isinstance(epochs, Fidelity) else None,
        seed=seed,
        **{way: objective},  # type: ignore[arg-type]  # minimize= or maximize=
        **options,
    )
    return Tuned(study, _best_model(study, made, arguments, path))


def _way(objective: str, direction: str | None, path: str | None) -> str:
    """The direction of the objective, once it is known that model and objective can be named so."""
    if not isinstance(objective, str):
        raise InvalidInput(
            f"objective={objective!r}: it must be one key of Keras' logs, whose direction= may be given beside it; for "
            "several write an objective with TrialCallback"
        )
    way = _direction(objective) if direction is None else direction
    if way not in DIRECTIONS:
        raise InvalidInput(f"direction={direction!r}: it must be 'minimize' or 'maximize'")
    if path is not None and not path.endswith(".keras"):
        raise InvalidInput(f"path={path!r}: the name of a saved model ends in .keras")
    return way


def _best_model(
    study: kilter.api.Study, made: Callable[[Any], Any], arguments: Callable[[Any], dict[str, Any]], path: str | None
) -> Any:
    """The model of the best trial with the weights of its best epoch, saved where there is a path."""
    best = study.best_trial
    again = _Again(best, study)
    kept = os.path.join(again.checkpoint_dir, DIRECTORY, f"{best.user_attrs['best_epoch']}.weights.h5")
    if not os.path.exists(kept):
        raise NotReady(f"the weights of trial {best.number} are gone from its checkpoint, {kept}: train it again")
    model = made(again)
    # No epoch is trained: it builds a model without an Input, and the optimizer, whose variables are in the file.
    model.fit(**{**arguments(again), "callbacks": None, "epochs": 0})
    model.load_weights(kept)
    if path is not None:
        model.save(path)
    return model


class _Again(FrozenTrial):
    """A trial that ended, as its build and fit saw it, to make its model once more."""

    __slots__ = ("checkpoint_dir",)

    def __init__(self, trial: FrozenTrial, study: kilter.api.Study) -> None:
        super().__init__(trial.record, study.history)
        self.checkpoint_dir = study.checkpoint_dir(trial) or ""


class HyperParameters:
    """KerasTuner's `hp` in front of a trial, so that a build(hp) function stays as it is.

    tune(lambda trial: build(HyperParameters(trial)), …) runs it. With `parent_name` and `parent_values`, or within
    `conditional_scope` of them, the methods suggest nothing and return None where the parent has none of the values, as
    in KerasTuner.

    >>> study = kilter.api.create_study(seed=0)
    >>> hp = HyperParameters(study.ask())
    >>> hp.Int("units", 32, 512, step=32) % 32, hp.Fixed("layers", 3)
    (0, 3)
    """

    def __init__(self, trial: Any) -> None:
        self.trial = trial
        self._fixed: dict[str, Any] = {}
        self._inactive: set[str] = set()
        self._is_active = True
        self._scopes: list[str] = []

    @property
    def values(self) -> dict[str, Any]:
        """What was chosen so far, and what is fixed."""
        return {**self.trial.params, **self._fixed}

    def get(self, name: str) -> Any:
        """The value of a parameter that was chosen before; raises UnknownName, which is a KeyError."""
        name = self._named(name)
        if name not in self.values:
            raise UnknownName.of("active hyperparameter", name, self.values)
        return self.values[name]

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._named(name) in self.values

    def Int(  # noqa: N802
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A whole number from min_value to max_value, both included; with sampling="log" a step multiplies."""
        parameter = _number(Int, name, min_value, max_value, step, sampling, default)
        return self._suggest(name, parameter, parent_name, parent_values)

    def Float(  # noqa: N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A real number in [min_value, max_value]; with sampling="log" a step multiplies."""
        parameter = _number(Float, name, min_value, max_value, step, sampling, default)
        return self._suggest(name, parameter, parent_name, parent_values)

    def Choice(  # noqa: N802
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of the values; numbers count as ordered unless `ordered` says otherwise."""
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        kind = Ordinal if (numbers if ordered is None else ordered) else Choice
        return self._suggest(name, kind(values, default=_default(default)), parent_name, parent_values)

    def Boolean(  # noqa: N802
        self, name: str, default: Any = None, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """True or False."""
        return self._suggest(name, Boolean(default=_default(default)), parent_name, parent_values)

    def Fixed(self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None) -> Any:  # noqa: N802
        """The value itself: what is not searched for is not part of a trial."""
        return self._where_active(name, lambda own: self._fixed.setdefault(own, value), parent_name, parent_values)

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """What is suggested within is part of the trial only where the parent has one of the values.

        Raises UnknownName for a parent that was not met before.
        """
        parent = self._named(parent_name)
        if parent not in self.values and parent not in self._inactive:
            raise UnknownName.of("hyperparameter", parent, {*self.values, *self._inactive})
        values = parent_values if isinstance(parent_values, (list, tuple)) else [parent_values]
        before = self._is_active
        self._is_active = before and parent in self.values and self.values[parent] in values
        try:
            yield
        finally:
            self._is_active = before

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Put the name and a slash in front of all names within."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def _named(self, name: str) -> str:
        return "/".join([*self._scopes, name])

    def _suggest(self, name: str, parameter: Parameter, parent_name: str | None, parent_values: Any) -> Any:
        return self._where_active(name, lambda own: self.trial.suggest(own, parameter), parent_name, parent_values)

    def _where_active(
        self, name: str, choose: Callable[[str], Any], parent_name: str | None, parent_values: Any
    ) -> Any:
        with nullcontext() if parent_name is None else self.conditional_scope(parent_name, parent_values):
            if self._is_active:
                return choose(self._named(name))
        self._inactive.add(self._named(name))
        return None


def _number(
    kind: type[Int] | type[Float], name: str, low: Any, high: Any, step: Any, sampling: str | None, default: Any
) -> Parameter:
    """The parameter that KerasTuner's arguments stand for."""
    if sampling not in (None, "linear", "log"):
        raise InvalidInput(f"{name}: sampling={sampling!r}: there are 'linear' and 'log'")
    if step is None or sampling != "log":
        stepped = {} if step is None else {"step": step}
        return kind(low, high, log=sampling == "log", default=_default(default), **stepped)
    if not (0 < low <= high and step > 1):
        raise InvalidInput(
            f"{name}: from {low!r} to {high!r}, step={step!r}, sampling='log': the step multiplies, so it must be "
            "above 1, and min_value above 0"
        )
    count = 1 + int(math.log(high / low, step) + 1e-9)  # the last one is not lost to rounding
    return Ordinal([low * step**power for power in range(count)], default=_default(default))


def _direction(objective: str) -> str:
    """Which way a metric of Keras' gets better; raises InvalidInput for a name that does not say."""
    if SMALL.search(objective):
        return "minimize"
    if LARGE.search(objective):
        return "maximize"
    raise InvalidInput(
        f"objective={objective!r} does not say which way is better: give direction='minimize' or 'maximize'"
    )


def _default(value: Any) -> Any:
    return UNSET if value is None else value
