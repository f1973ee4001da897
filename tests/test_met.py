"""What objectives suggest as they run: options that are objects, and names that are asked for twice."""

import enum
import warnings

import pytest

import kilter


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Tanh:
    pass


class Relu:
    pass


class Unsendable:
    def __reduce__(self):
        raise TypeError("it stays here")


LISTS = {"enum": list(Colour), "classes": [Tanh, Relu], "functions": [len, max]}


def place(trial, options):
    return float(options.index(trial.suggest_categorical("option", options)))


@pytest.mark.parametrize("options", LISTS.values(), ids=LISTS)
def test_objects_that_an_objective_brings_are_known_as_soon_as_a_trial_has_ended(options):
    seen = []
    study = kilter.create_study(seed=0)
    study.optimize(
        lambda trial: place(trial, options),
        4,
        progress="none",
        callbacks=[lambda _, t: seen.append(t.params["option"])],
    )
    trials = study.trials
    assert all(one is options[int(t.value)] for one, t in zip(seen, trials))
    assert study.best_params == {"option": options[0]}


def test_objects_of_an_asked_trial_are_known_once_it_is_told():
    study = kilter.create_study()
    trial = study.ask()
    option = trial.suggest_categorical("option", [Tanh, Relu])
    study.tell(trial, 1.0)
    assert study.best_params["option"] is option


def test_a_study_that_was_opened_again_has_its_objects_with_the_first_trial_and_the_same_log(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    kilter.create_study(study_name="s", storage=url).optimize(
        lambda trial: place(trial, [Tanh, Relu]), 2, progress="none"
    )
    study = kilter.load_study(study_name="s", storage=url)
    length = len(study.log.read())
    study.optimize(lambda trial: place(trial, [Tanh, Relu]), 1, progress="none", if_changed="continue")
    assert all(t.params["option"] in (Tanh, Relu) for t in study.trials)
    added = [type(entry.event).__name__ for entry in study.log.read(length)]
    assert "SpaceExtended" not in added


def test_workers_send_the_objects_that_can_be_sent(tmp_path):
    study = kilter.tune(among, n_trials=2, workers=2, progress="none", storage=f"sqlite:///{tmp_path}/study.db")
    first = study.trials[0].params
    assert first["enum"] in Colour
    assert first["class"] in (Tanh, Relu)
    assert repr(first["lock"]).endswith("known by name only>")


def among(trial):
    trial.suggest_categorical("enum", list(Colour))
    trial.suggest_categorical("class", [Tanh, Relu])
    return 1.0 if trial.suggest_categorical("lock", {"a": Unsendable(), "b": Unsendable()}) else 0.0


@pytest.mark.parametrize("declared", [False, True])
def test_of_a_name_that_is_asked_for_twice_the_first_value_stands(declared):
    given = []

    def twice(trial):
        given.append((trial.suggest_float("x", 0, 1), trial.suggest_float("x", 5, 6), trial.suggest_float("x", 0, 2)))
        return given[-1][0]

    study = kilter.create_study(space={"x": kilter.Float(0, 1)} if declared else None)
    with pytest.warns(UserWarning, match=r"asks for 'x' twice, as Float\(0.0, 1.0\) and as Float\(5.0, 6.0\)") as told:
        study.optimize(twice, 2, progress="none")
    assert [(t.params["x"],) * 3 for t in study.trials] == given
    assert {one.filename for one in told} == {__file__}


def test_a_name_asked_for_twice_with_ranges_that_agree_is_nothing_to_tell():
    def twice(trial):
        return trial.suggest_float("x", 0, 1) - trial.suggest_float("x", 0, 2)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = kilter.create_study()
        study.optimize(twice, 3, progress="none")
    assert [t.value for t in study.trials] == [0.0] * 3
