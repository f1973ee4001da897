"""The sweeper as its users run it, from the command line on a small app; and what it makes of overrides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kilter
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState

pytest.importorskip("hydra", reason="Hydra is not installed: pip install '.[hydra]'")

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from kilter.integrations.hydra import Dimension, _dimension

APP = """
import json, os
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def app(config):
    shown = OmegaConf.to_container(config)
    with open(os.path.join(HydraConfig.get().runtime.output_dir, "seen.json"), "w") as file:
        json.dump(shown, file)
    if config.opt == "broken":
        raise ValueError("this one is broken")
    loss = (config.model.lr - 0.1) ** 2 + config.layers
    return {"loss": loss, "size": config.layers} if config.kind == "dict" else loss

app()
"""
CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: kilter
model: {lr: 0.1}
layers: 1
opt: adam
kind: number
hydra:
  job: {name: tuned}
  sweep: {dir: out}
  sweeper: {seed: 7, sampler: random}
"""


@pytest.fixture
def app(tmp_path):
    """Runs the app with overrides in a folder of its own; what the process said."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    (tmp_path / "app.py").write_text(APP)
    source = str(Path(kilter.__file__).parents[1])  # hydra_plugins lies beside kilter

    def run(*overrides, fails=False):
        path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "app.py", "--multirun", *overrides],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.folder = tmp_path
    return run


def jobs(folder):
    """What each job saw, by its number."""
    return {int(path.parent.name): json.loads(path.read_text()) for path in (folder / "out").glob("*/seen.json")}


def results(folder):
    return OmegaConf.to_container(OmegaConf.load(folder / "out" / "optimization_results.yaml"))


def test_a_sweep_is_a_study(app):
    space = ["model.lr=tag(log,interval(0.001,1))", "layers=int(interval(1,3))", "opt=choice(adam,sgd)"]
    said = app(*space, "+extra='a b'", "hydra.sweeper.n_trials=7", "hydra.sweeper.n_jobs=3")
    seen = jobs(app.folder)
    assert sorted(seen) == list(range(7))
    for config in seen.values():
        assert 0.001 <= config["model"]["lr"] <= 1
        assert config["layers"] in (1, 2, 3) and isinstance(config["layers"], int)
        assert config["opt"] in ("adam", "sgd") and config["extra"] == "a b"
    assert said.count("Launching 3 jobs locally") == 2 and said.count("Launching 1 jobs locally") == 1
    losses = {n: (c["model"]["lr"] - 0.1) ** 2 + c["layers"] for n, c in seen.items()}
    best = min(losses, key=losses.get)
    named = {"model.lr": seen[best]["model"]["lr"], "layers": seen[best]["layers"], "opt": seen[best]["opt"]}
    expected = {"name": "kilter", "best_params": named, "best_value": losses[best], "best_trial": best}
    assert results(app.folder) == expected
    for n, loss in losses.items():
        so_far = min(range(n + 1), key=losses.get)
        assert f"trial {n}: value = {loss:g}; best: trial {so_far}, {losses[so_far]:g}\n" in said
    assert (app.folder / "out" / "multirun.yaml").exists()


def test_a_sweep_goes_on_in_its_storage_and_failures_are_failed_trials(app):
    sweep = ["model.lr=interval(0,1)", "opt=adam,broken", "hydra.sweeper.storage=sqlite:///sweep.db"]
    app(*sweep, "hydra.sweeper.n_trials=4")
    first = jobs(app.folder)
    said = app(*sweep, "hydra.sweeper.n_trials=8")
    seen = jobs(app.folder)
    assert sorted(first) == list(range(4)) and sorted(seen) == list(range(8))  # numbered on, nothing overwritten
    assert said.count("Launching") == 4
    study = kilter.load_study(storage=f"sqlite:///{app.folder}/sweep.db", study_name="tuned")
    states = {"adam": TrialState.COMPLETE, "broken": TrialState.FAIL}
    assert [trial.state for trial in study.trials] == [states[seen[number]["opt"]] for number in range(8)]
    assert len({trial.state for trial in study.trials}) == 2
    failed = next(trial for trial in study.trials if trial.state is TrialState.FAIL)
    failure = study.history[failed.number].failure
    assert (failure.kind, failure.message) == ("ValueError", "this one is broken") and "app.py" in failure.traceback
    assert [trial.params["model.lr"] for trial in study.trials] == [seen[n]["model"]["lr"] for n in range(8)]
    assert "Launching" not in app(*sweep, "hydra.sweeper.n_trials=8")  # it has them all
    assert results(app.folder)["best_value"] == study.best_value


def test_a_sweep_of_which_every_job_fails_fails(app):
    said = app("model.lr=interval(0,1)", "opt=broken", "hydra.sweeper.n_trials=30", fails=True)
    assert "all failed with ValueError: this one is broken" in said
    assert said.count("trial 9: failed with ValueError: this one is broken\n") == 1
    assert said.count("Launching") == 10  # and not thirty times
    assert "best_params" not in said and "Traceback" not in said[said.index("the first 10") :]


def test_several_objectives(app):
    app(
        *("model.lr=range(0,1,0.25)", "layers=range(1,4)", "kind=dict", "hydra.sweeper.sampler=grid"),
        "hydra.sweeper.direction={loss: minimize, size: maximize}",
    )
    assert len(jobs(app.folder)) == 12  # four times three, and then there is nothing left to try
    front = [(s["params"]["layers"], s["params"]["model.lr"], *s["values"]) for s in results(app.folder)["solutions"]]
    assert sorted(front) == [(size, 0.0, pytest.approx(0.01 + size), size) for size in (1, 2, 3)]


def test_params_of_the_config_give_way_to_the_command_line(app):
    config = OmegaConf.create(CONFIG)
    config.hydra.sweeper.params = {"model.lr": "interval(0, 1)", "layers": "choice(1, 2)", "opt": "choice(adam, sgd)"}
    (app.folder / "conf" / "config.yaml").write_text(OmegaConf.to_yaml(config))
    app("opt=sgd", "layers=choice(2,3)", "hydra.sweeper.n_trials=5")
    seen = jobs(app.folder).values()
    assert {config["opt"] for config in seen} == {"sgd"} and {config["layers"] for config in seen} <= {2, 3}
    assert len({config["model"]["lr"] for config in seen}) == 5


def test_what_the_config_has_comes_first_and_conditions_hold(app):
    config = OmegaConf.create(CONFIG)
    config.defaults = [{"net": "mlp"}, *config.defaults]
    config.hydra.sweeper.sampler = {"_target_": "kilter.samplers.tpe.TPESampler", "initial": 3}
    config.hydra.sweeper.params = {
        "model.lr": "interval(0, 1)",
        "net": "choice(cnn, mlp)",
        "net.layers": "int(interval(1, 4))",  # which there is in one of the two alone
        "layers": "choice(2, 3)",  # the config has neither
        "opt": "choice(adam, sgd)",
    }
    config.hydra.sweeper.when = {
        "net.layers": {"net": "mlp"},
        "layers": {"kind": ["dict", "number"]},
        "opt": {"kind": "none"},
    }
    (app.folder / "conf" / "config.yaml").write_text(OmegaConf.to_yaml(config))
    (app.folder / "conf" / "net").mkdir()
    (app.folder / "conf" / "net" / "mlp.yaml").write_text("layers: 3")
    (app.folder / "conf" / "net" / "cnn.yaml").write_text("kernel: 5")
    app("hydra.sweeper.n_trials=8")
    seen = jobs(app.folder)
    assert len(seen) == 8 and {tuple(config["net"]) for config in seen.values()} == {("layers",), ("kernel",)}
    assert (seen[0]["model"]["lr"], seen[0]["net"]) == (0.1, {"layers": 3})
    assert {config["layers"] for config in seen.values()} == {2, 3}
    assert {config["opt"] for config in seen.values()} == {"adam"}  # as in the config, for its condition never holds
    assert len({config["net"]["layers"] for config in seen.values() if "layers" in config["net"]}) > 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["layers=choice(1,2)", "+hydra.sweeper.when.layer.opt=adam"], "no override 'layer': did you mean 'layers'?"),
        (["layers=2"], "there is nothing to search"),
        (["layerz=choice(1,2)"], "Key 'layerz' is not in struct"),
    ],
)
def test_mistakes_are_said_before_a_job_runs(app, overrides, said):
    shown = app(*overrides, fails=True)
    assert said in shown and "Traceback" not in shown
    assert jobs(app.folder) == {}


# -- overrides ----------------------------------------------------------------------------------------------------


def dimension(text) -> Dimension:
    return _dimension(OverridesParser.create().parse_override(text))


@pytest.mark.parametrize(
    ("sweep", "parameter"),
    [
        ("interval(1,9)", kilter.Float(1, 9)),
        ("tag(log,interval(0.001,1))", kilter.Float(0.001, 1, log=True)),
        ("int(interval(1,9))", kilter.Int(1, 9)),
        ("int(tag(log,interval(1,9)))", kilter.Int(1, 9, log=True)),
        ("range(1,10)", kilter.Int(1, 9)),
        ("range(1,10,4)", kilter.Int(1, 9, step=4)),
        ("range(9,0,-4)", kilter.Int(1, 9, step=4)),
        ("shuffle(range(1,10))", kilter.Int(1, 9)),
        ("tag(log,range(1,10))", kilter.Int(1, 9, log=True)),
        ("range(0,1,0.25)", kilter.Float(0, 0.75, step=0.25)),
        ("range(3,4)", kilter.Int(3, 3)),
        ("choice(adam,sgd)", kilter.Choice(["adam", "sgd"])),
        ("adam,sgd", kilter.Choice(["adam", "sgd"])),
        ("choice(true,false)", kilter.Choice([True, False])),
        ("choice(1,2.5)", kilter.Choice([1, 2.5])),
        ("choice(adam)", kilter.Choice(["adam"])),
        ("choice('a b','c,d')", kilter.Choice(["a b", "c,d"])),
        ("choice([1,2],{a:1})", kilter.Choice(["[1,2]", "{a:1}"])),
        ("shuffle(e,d,c,b,a)", kilter.Choice(["a", "b", "c", "d", "e"])),
    ],
)
def test_a_sweep_is_a_parameter_and_its_values_overrides(sweep, parameter):
    found = dimension(f"db.x={sweep}")
    assert found.parameter == parameter
    for plain in parameter.grid(5):
        said = OverridesParser.create().parse_override(found.override(plain))
        assert said.key_or_group == "db.x"
        value = said.value() if not isinstance(said.value(), (list, dict)) else plain
        assert parameter.plain(value) == plain and type(value) is type(plain)


def test_a_key_that_is_added_or_in_a_package_stays_so():
    assert dimension("+new=choice(1,2)").override(2) == "+new=2"
    assert dimension("db@other=choice(a,b)").override("b") == "db@other=b"


@pytest.mark.parametrize(
    ("sweep", "error", "said"),
    [
        ("tag(lgo,interval(1,2))", UnknownName, "did you mean 'log'"),
        ("range(1,1)", InvalidInput, "has no values"),
        ("interval(2,1)", InvalidInput, "Float"),
        ("tag(log,interval(0,1))", InvalidInput, "log"),
        ("choice(a,'a')", InvalidInput, "a"),
    ],
)
def test_a_sweep_that_is_no_parameter_is_refused(sweep, error, said):
    with pytest.raises(error, match=said):
        dimension(f"x={sweep}")
