"""Keras: what a training reports, that it goes on where it stood, that it stops gently, and the way of KerasTuner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kilter
from kilter.core.errors import InvalidInput, NotReady, StudyAborted, UnknownName

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("keras", reason="needs Keras and one of its backends: pip install '.[keras]' torch")

import keras  # after the choice of its backend

from kilter.integrations.keras import HyperParameters, TrialCallback, tune
from kilter.objective import checkpoint
from kilter.schedulers.pbt import PBTScheduler
from kilter.schedulers.threshold import ThresholdScheduler

# Keras' own, on torch with a recent NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 4)).astype("float32")
Y = (X.sum(axis=1, keepdims=True) + RNG.normal(size=(48, 1)) > 0).astype("float32")
TRAIN, VALID = (X[:32], Y[:32]), (X[32:], Y[32:])
EPOCHS = 5


def network(learning_rate: float = 0.05, width: int = 6) -> Any:
    """With all that has a state: an optimizer with momentum, batch normalization, an order of the data, and noise.

    On some backends dropout draws from the global generator; the Gaussian noise always has a seed of its own.
    """
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(width, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.GaussianNoise(0.1),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(learning_rate), "binary_crossentropy", metrics=["accuracy"])
    return model


def fit(model: Any, callback: Any, epochs: int = EPOCHS, more: Any = ()) -> dict[str, list[float]]:
    history = model.fit(
        *TRAIN, validation_data=VALID, batch_size=8, epochs=epochs, verbose=0, callbacks=[*more, callback]
    )
    assert history.epoch == list(range(len(history.history["loss"])))
    return history.history  # type: ignore[no-any-return]


def run(study: kilter.Study, objective: Any, n_trials: int = 1) -> None:
    study.optimize(objective, n_trials=n_trials, progress="none", catch=())


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[dict[str, list[float]], list[np.ndarray]]:
    """The logs and the weights of a training in one go."""
    model, kept = network(), []

    def objective(trial: kilter.Trial) -> float:
        kept.append(fit(model, TrialCallback(trial, seed=3, checkpoint=False)))
        return kept[0]["val_loss"][-1]

    run(kilter.create_study(), objective)
    return kept[0], model.get_weights()


# -- a training that goes on is the same training ----------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 3, EPOCHS])
@pytest.mark.parametrize(
    "place", ["before the weights", "before their name", "before the state", "before asking", "after the epoch"]
)
def test_a_training_broken_off_anywhere_ends_as_one_in_one_go(
    place: str, epoch: int, uninterrupted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, weights = uninterrupted
    seen: list[tuple[int, int]] = []

    def objective(trial: kilter.Trial) -> float:
        model = network()
        callback = TrialCallback(trial, seed=3)
        seen.append((trial.attempt, trial.number))

        def broken_off(*_: Any, **__: Any) -> Any:
            raise KeyboardInterrupt

        def unnamed(source: str, target: str, replace: Any = os.replace) -> None:
            if target.endswith(".weights.h5"):
                raise KeyboardInterrupt
            replace(source, target)

        class Saboteur(keras.callbacks.Callback):
            def on_epoch_begin(self, n: int, logs: Any = None) -> None:
                if trial.attempt == 1 and n + 1 == epoch:
                    if place == "before the weights":
                        monkeypatch.setattr(model, "save_weights", broken_off)
                    if place == "before their name":
                        monkeypatch.setattr(os, "replace", unnamed)
                    if place == "before the state":
                        monkeypatch.setattr(checkpoint, "save", broken_off)
                    if place == "before asking":
                        monkeypatch.setattr(trial, "leaves", broken_off)

        def after(n: int, logs: Any = None) -> None:
            if trial.attempt == 1 and n + 1 == epoch:
                raise KeyboardInterrupt

        last = keras.callbacks.LambdaCallback(on_epoch_end=after)
        history = model.fit(
            *TRAIN,
            validation_data=VALID,
            batch_size=8,
            epochs=EPOCHS,
            verbose=0,
            callbacks=[Saboteur(), callback, last],
        )
        assert history.history == wanted
        assert history.epoch == list(range(EPOCHS))
        for mine, theirs in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        return history.history["val_loss"][-1]  # type: ignore[no-any-return]

    study = kilter.create_study()
    with pytest.raises(KeyboardInterrupt):
        run(study, objective)
    monkeypatch.undo()
    run(study, objective)
    assert seen == [(1, 0), (2, 0)]
    assert study.trials[0].intermediate_values == dict(enumerate(wanted["val_loss"], 1))


def test_pauses_at_the_levels_of_a_fidelity_change_nothing(uninterrupted: Any) -> None:
    wanted, _ = uninterrupted
    epochs = kilter.Fidelity("epochs", 1, EPOCHS)
    study = kilter.create_study(fidelity=epochs, scheduler="hyperband", seed=0)
    ends: dict[int, list[int]] = {}

    def objective(trial: kilter.Trial, epochs: int) -> float:
        history = fit(network(), TrialCallback(trial, seed=3), epochs)
        assert history["val_loss"] == wanted["val_loss"][: len(history["val_loss"])]
        ends.setdefault(trial.number, []).append(len(history["val_loss"]))
        return history["val_loss"][-1]

    while not any(trial.state is kilter.TrialState.COMPLETE and trial.attempt > 1 for trial in study.trials):
        run(study, objective)
    assert max(ends.values(), key=len)[-1] == EPOCHS
    assert all(reached == sorted(set(reached)) for reached in ends.values())


def test_a_fork_has_the_weights_of_its_parent_and_a_learning_rate_of_its_own() -> None:
    study = kilter.create_study(
        direction="maximize",
        space={"learning_rate": kilter.Float(1e-4, 1e-1, log=True)},
        scheduler=PBTScheduler(population=4, interval=1, last_step=EPOCHS, quantile=0.25),
        seed=0,
    )
    forks = []

    def reported(number: int, step: int) -> float:
        """What the trial, or the one that it was copied from, reported at a step."""
        trial = study.trials[number]
        if step in trial.intermediate_values:
            return trial.intermediate_values[step]
        assert trial.parent is not None
        return reported(trial.parent, step)

    def objective(trial: kilter.Trial, learning_rate: float) -> float:
        model = network(learning_rate)
        history = fit(model, TrialCallback(trial, "val_accuracy", seed=3))["val_accuracy"]
        assert float(model.optimizer.learning_rate) == pytest.approx(learning_rate, rel=1e-6)
        if trial.parent is not None and trial.attempt == 1:
            forks.append(trial.number)
            assert len(history) > 1
            assert history[:-1] == [reported(trial.parent, step) for step in range(1, len(history))]
        return history[-1]

    run(study, objective, n_trials=16)
    assert forks


def test_a_learning_rate_that_a_callback_has_changed_is_kept() -> None:
    rates = []

    def objective(trial: kilter.Trial) -> float:
        model = network(0.1)

        def change(epoch: int, logs: Any = None) -> None:
            if trial.attempt == 1:
                model.optimizer.learning_rate = 0.01
                if epoch == 1:
                    raise KeyboardInterrupt

        fit(model, TrialCallback(trial), 3, [keras.callbacks.LambdaCallback(on_epoch_end=change)])
        rates.append(float(model.optimizer.learning_rate))
        return 0.0

    study = kilter.create_study()
    with pytest.raises(KeyboardInterrupt):
        run(study, objective)
    run(study, objective)
    assert rates == pytest.approx([0.01])


def test_a_model_without_an_input_goes_on_too() -> None:
    lengths = []

    def objective(trial: kilter.Trial) -> float:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("adam", "mse")
        broken = keras.callbacks.LambdaCallback(on_epoch_end=lambda n, logs: 1 / (n < 2 or trial.attempt > 1))
        try:
            history = model.fit(*TRAIN, epochs=4, verbose=0, callbacks=[TrialCallback(trial, "loss"), broken])
        except ZeroDivisionError:
            raise KeyboardInterrupt from None
        lengths.append(len(history.history["loss"]))
        return 0.0

    study = kilter.create_study()
    with pytest.raises(KeyboardInterrupt):
        run(study, objective)
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(InvalidInput, match=r"keras\.Input"):
            run(study, objective)
    else:
        run(study, objective)
        assert lengths == [4]


def test_only_the_last_and_the_best_weights_stay() -> None:
    def objective(trial: kilter.Trial) -> float:
        model = network(0.3)
        callback = TrialCallback(trial, direction="minimize")
        values = []

        def look(epoch: int, logs: dict[str, float]) -> None:
            values.append(logs["val_loss"])
            best = 1 + int(np.argmin(values))
            files = {f"{best}.weights.h5", f"{epoch + 1}.weights.h5", "state.kilter"}
            assert callback.best_epoch == best
            assert set(os.listdir(Path(trial.checkpoint_dir, "keras"))) == files

        # Ours comes first, so that what it has done can be looked at.
        model.fit(
            *TRAIN,
            validation_data=VALID,
            epochs=EPOCHS,
            verbose=0,
            callbacks=[callback, keras.callbacks.LambdaCallback(on_epoch_end=look)],
        )
        model.load_weights(callback.best_weights)
        found = model.evaluate(*VALID, verbose=0, return_dict=True)["loss"]
        assert found == pytest.approx(min(values), rel=1e-5)
        return float(found)

    run(kilter.create_study(), objective)


def test_without_a_checkpoint_nothing_is_written() -> None:
    def objective(trial: kilter.Trial) -> float:
        fit(network(), TrialCallback(trial, checkpoint=False), 1)
        assert os.listdir(trial.checkpoint_dir) == []
        return 0.0

    run(kilter.create_study(), objective)


# -- what is reported, and what is said to the scheduler ---------------------------------------------------------------


def test_a_trial_that_leaves_stops_the_fit_gently() -> None:
    lengths = []

    def objective(trial: kilter.Trial) -> float:
        model = network()
        history = fit(model, TrialCallback(trial))
        lengths.append(len(history["val_loss"]))
        assert trial.has_left
        assert model.predict(X, verbose=0).shape == (48, 1)
        return -99.0

    study = kilter.create_study(scheduler=ThresholdScheduler(upper=1e-9))
    run(study, objective)
    (trial,) = study.trials
    assert lengths == [2]  # the scheduler waits for a second report outside
    assert trial.state is kilter.TrialState.PRUNED
    assert trial.value == trial.intermediate_values[2]


def test_several_metrics_are_reported_by_their_names() -> None:
    study = kilter.create_study(directions={"val_accuracy": "maximize", "val_loss": "minimize"})

    def objective(trial: kilter.Trial) -> dict[str, float]:
        history = fit(network(), TrialCallback(trial, study.metric_names), 2)
        return {name: history[name][-1] for name in study.metric_names}

    run(study, objective)
    (trial,) = study.trials
    assert list(trial.reports) == [1, 2]
    assert trial.reports[2] == trial.metrics


def test_an_unknown_monitor_lists_the_known_ones() -> None:
    def objective(trial: kilter.Trial) -> float:
        fit(network(), TrialCallback(trial, "val_acuracy"))
        return 0.0

    study = kilter.create_study()
    with pytest.raises(InvalidInput, match=r"'val_acuracy'.* accuracy, loss, val_accuracy, val_loss"):
        run(study, objective)


def test_what_cannot_be_is_said() -> None:
    trial = kilter.create_study().ask()
    with pytest.raises(InvalidInput, match="minimize"):
        TrialCallback(trial, direction="min")
    with pytest.raises(InvalidInput, match="checkpoint=True"):
        TrialCallback(trial, direction="minimize", checkpoint=False)
    with pytest.raises(NotReady, match="direction="):
        _ = TrialCallback(trial).best_weights


# -- the way of KerasTuner ---------------------------------------------------------------------------------------------


def classifier(trial: Any) -> Any:
    trial.set_user_attr("named", f"{trial.number}.{trial.attempt}")  # of the best one the model is built again
    if trial.suggest_categorical("depth", ["shallow", "impossible"]) == "impossible":
        keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 5)])  # negative dimensions
    return network(trial.suggest_float("learning_rate", 1e-3, 0.3, log=True), trial.suggest_int("width", 2, 8))


def batches(trial: Any) -> dict[str, Any]:
    log = keras.callbacks.CSVLogger(os.path.join(trial.checkpoint_dir, "log.csv"))
    epochs = trial.suggest_int("epochs", 2, 4)
    return {"batch_size": trial.suggest_int("batch_size", 4, 32, log=True), "epochs": epochs, "callbacks": [log]}


def test_the_model_of_tune_is_the_best_one_after_its_best_epoch(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    path = str(tmp_path / "best.keras")
    common: dict[str, Any] = {"epochs": 9, "objective": "val_loss", "fit": batches, "storage": url, "progress": "none"}
    study, model = tune(classifier, TRAIN, VALID, n_trials=6, path=path, **common)

    states = {trial.params["depth"]: trial.state for trial in study.trials}
    assert states == {"shallow": kilter.TrialState.COMPLETE, "impossible": kilter.TrialState.FAIL}
    assert study.study_name == "classifier"
    assert study.metric_names == ["val_loss"]
    best = study.best_trial
    assert best.user_attrs["named"] == f"{best.number}.1"
    assert best.last_step == best.params["epochs"]
    assert best.value == min(best.intermediate_values.values())
    assert model.evaluate(*VALID, verbose=0, return_dict=True)["loss"] == pytest.approx(best.value, rel=1e-5)
    assert model.layers[0].units == best.params["width"]
    assert float(model.optimizer.learning_rate) == pytest.approx(best.params["learning_rate"], rel=1e-6)
    loaded = keras.saving.load_model(path)
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)

    # Called again it has nothing to train, and finds the same model.
    again, same = tune(classifier, TRAIN, VALID, n_trials=6, **common)
    assert len(again.trials) == 6
    for mine, theirs in zip(same.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    os.remove(os.path.join(study.checkpoint_dir(best) or "", "keras", f"{best.user_attrs['best_epoch']}.weights.h5"))
    with pytest.raises(NotReady, match=f"trial {best.number} are gone"):
        tune(classifier, TRAIN, VALID, n_trials=6, **common)


def test_tune_under_a_fidelity_trains_the_best_ones_longer() -> None:
    study, model = tune(
        lambda trial: network(trial.params["learning_rate"]),
        TRAIN,
        VALID,
        n_trials=6,
        epochs=kilter.Fidelity("epochs", 1, 3),
        space={"learning_rate": kilter.Float(1e-3, 0.3, log=True)},
        storage=None,
        progress="none",
    )
    lengths = [trial.last_step for trial in study.trials]
    assert set(lengths) == {1, 3}
    found = model.evaluate(*VALID, verbose=0, return_dict=True)["accuracy"]
    assert found == pytest.approx(study.best_value)


def test_build_has_to_return_a_model() -> None:
    with pytest.raises(InvalidInput, match="build returned NoneType"):
        tune(lambda trial: None, TRAIN, VALID, n_trials=2, epochs=1, storage=None, progress="none")


def test_epochs_are_chosen_by_the_fidelity_or_by_fit() -> None:
    both: dict[str, Any] = {"epochs": kilter.Fidelity("epochs", 1, 3), "fit": {"epochs": 2}}
    with pytest.raises(InvalidInput, match=r"fit gives epochs=2, which Fidelity"):
        tune(lambda trial: network(), TRAIN, VALID, n_trials=1, **both, storage=None, progress="none")


def test_a_model_that_cannot_be_saved_is_said_before_it_is_trained(tmp_path: Path) -> None:
    class Line(keras.Model):  # type: ignore[misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(width)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    def build(trial: Any) -> Any:
        model = Line(1)
        model.compile("sgd", "mse")
        return model

    common: dict[str, Any] = {"n_trials": 1, "epochs": 1, "objective": "loss", "storage": None, "progress": "none"}
    with pytest.raises(StudyAborted, match="get_config"):
        tune(build, TRAIN, path=str(tmp_path / "line.keras"), **common)
    assert tune(build, TRAIN, **common).model.evaluate(*TRAIN, verbose=0) > 0


def test_one_objective_is_one_key() -> None:
    with pytest.raises(InvalidInput, match=r"\['val_loss', 'loss'\]: it must be one key"):
        tune(classifier, TRAIN, n_trials=1, epochs=1, objective=["val_loss", "loss"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("objective", "direction"),
    [
        ("val_loss", "minimize"),
        ("val_accuracy", "maximize"),
        ("auc_1", "maximize"),
        ("head_mean_squared_error", "minimize"),
        ("val_f1_score", "maximize"),
        ("mae", "minimize"),
    ],
)
def test_the_direction_follows_from_the_name(objective: str, direction: str) -> None:
    from kilter.integrations.keras import _direction

    assert _direction(objective) == direction


@pytest.mark.parametrize("objective", ["val_profit", "glossy", "accuracyish", "macc"])
def test_where_the_name_does_not_say_the_direction_is_asked_for(objective: str) -> None:
    with pytest.raises(InvalidInput, match="direction="):
        tune(classifier, TRAIN, n_trials=1, epochs=1, objective=objective)
    with pytest.raises(InvalidInput, match="'maximize'"):
        tune(classifier, TRAIN, n_trials=1, epochs=1, objective=objective, direction="max")


def test_a_build_function_of_keras_tuner_runs_as_it_is() -> None:
    def build(hp: HyperParameters) -> Any:
        kind = hp.Choice("optimizer", ["adam", "sgd"])
        with hp.conditional_scope("optimizer", ["sgd"]):
            momentum = hp.Float("momentum", 0.0, 0.9)
            assert (momentum is None) == (kind == "adam")
        width = hp.Int("units", 2, 8, step=2)
        assert width % 2 == 0
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log", default=1e-2)
        assert hp.Fixed("layers", 1) == hp["layers"] == 1
        with hp.conditional_scope("layers", 1), hp.name_scope("first"):
            assert hp.Boolean("bias") is not None
        nesterov = hp.Boolean("nesterov", parent_name="optimizer", parent_values=["sgd"])
        with hp.conditional_scope("nesterov", True):  # of a parent that is not active either
            assert (hp.Choice("kind", ["a", "b"]) is not None) == bool(nesterov) == ("kind" in hp)
        layers = [keras.Input((4,)), keras.layers.Dense(width)]
        if hp.Boolean("normalize"):
            layers += [keras.layers.BatchNormalization()]
        model = keras.Sequential([*layers, keras.layers.Dense(hp.Choice("outputs", [1]), activation="sigmoid")])
        optimizer = keras.optimizers.Adam(rate) if kind == "adam" else keras.optimizers.SGD(rate, momentum)
        model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
        assert hp.get("units") == width
        assert hp.values == {**hp.trial.params, "layers": 1}
        return model

    study, model = tune(
        lambda trial: build(HyperParameters(trial)), TRAIN, VALID, n_trials=6, epochs=1, storage=None, progress="none"
    )
    assert {trial.state for trial in study.trials} == {kilter.TrialState.COMPLETE}
    assert model.layers[0].units == study.best_params["units"]
    for trial in study.trials:
        assert ("momentum" in trial.params) == ("nesterov" in trial.params) == (trial.params["optimizer"] == "sgd")
        assert ("kind" in trial.params) == trial.params.get("nesterov", False)
        assert "first/bias" in trial.params
    assert study.space["learning_rate"].default == 1e-2


def test_a_step_on_a_log_scale_multiplies() -> None:
    trial = kilter.create_study().ask()
    hp = HyperParameters(trial)
    hp.Int("batch_size", 16, 130, step=2, sampling="log", default=32)
    hp.Float("learning_rate", 1e-5, 1e-1, step=10, sampling="log")
    assert trial.distributions["batch_size"] == kilter.Ordinal([16, 32, 64, 128], default=32)
    assert trial.distributions["learning_rate"].values == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])


def test_hyperparameters_say_what_they_cannot() -> None:
    hp = HyperParameters(kilter.create_study().ask())
    with pytest.raises(UnknownName, match="optimizr"), hp.conditional_scope("optimizr", ["sgd"]):
        pass
    with pytest.raises(InvalidInput, match="reverse_log"):
        hp.Float("x", 1, 2, sampling="reverse_log")
    with pytest.raises(InvalidInput, match="step=1"):
        hp.Int("x", 1, 8, step=1, sampling="log")
    with pytest.raises(UnknownName, match="unit"):
        hp.get("unit")
