"""A sampler or scheduler that raises, or suggests what is not of the space, is named; the log is not to blame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

import kilter
from kilter import plugins
from kilter.api import check_study
from kilter.cli import main
from kilter.core.errors import InvalidInput, KilterError, LogDamaged, PluginFailed
from kilter.core.interfaces import Scheduler
from kilter.executors.threads import Threads
from kilter.samplers.random import RandomSampler

SPACE = {"x": kilter.Float(0, 1), "kind": kilter.Choice(["a", "b"]), "depth": kilter.Int(1, 9).when(kind="a")}


@dataclass(frozen=True)
class FlakySampler(RandomSampler):
    """Raises in one of its methods, once there are three trials."""

    method: str = "tell"
    error: type[Exception] = ValueError

    def ask(self, state: Any, history: Any, number: int) -> Any:
        self.fail("ask", number)
        return super().ask(state, history, number)

    def tell(self, state: Any, trial: Any, problem: Any) -> None:
        self.fail("tell", trial.number)

    def fail(self, method: str, number: int) -> None:
        if method == self.method and number == 3:
            raise self.error("boom")


@dataclass(frozen=True)
class FlakyScheduler(Scheduler):
    method: str = "judge"

    def __getattribute__(self, name: str) -> Any:
        if name != "method" and name == self.method:
            return self.fail
        return super().__getattribute__(name)

    def start(self, problem: Any, seed: int) -> Any:
        return FlakyState()

    def fail(self, *arguments: Any) -> Any:
        raise KeyError("boom")


@dataclass
class FlakyState:
    pass


def objective(x: float, kind: str, depth: int = 0, trial: Any = None) -> float:
    for step in (1, 2):
        trial.report(x, step)
        trial.should_prune()
    return x


def a_study(tmp_path: Any, **plugs: Any) -> Any:
    return kilter.create_study(study_name="f", space=SPACE, storage=str(tmp_path / "s.db"), seed=1, **plugs)


@pytest.mark.parametrize("method", ["ask", "tell"])
def test_a_sampler_that_raises_is_named_and_the_log_stays_whole(tmp_path, method):
    study = a_study(tmp_path, sampler=FlakySampler(method=method))
    said = rf"^the sampler FlakySampler failed in {method}\(\): ValueError: boom\. Mend it .*sampler='auto'\)$"
    with pytest.raises(PluginFailed, match=said) as raised:
        study.optimize(objective, 8, progress="none")
    assert isinstance(raised.value.__cause__, ValueError)
    assert isinstance(raised.value, KilterError) and not isinstance(raised.value, LogDamaged)
    assert "repair" not in str(raised.value)
    assert check_study(study_name="f", storage=str(tmp_path / "s.db")).lost == []
    if method == "tell":  # the study has read it, and takes in no more
        with pytest.raises(PluginFailed, match=said) as raised:
            study.trials
        assert isinstance(raised.value.__cause__, ValueError)
    mended = kilter.load_study(study_name="f", storage=str(tmp_path / "s.db"), sampler="random")
    mended.optimize(objective, n_trials=2, progress="none")
    assert len(mended.trials) == (6 if method == "tell" else 5)


def test_an_error_of_kilters_in_a_fold_is_the_samplers_all_the_same(tmp_path):
    with pytest.raises(PluginFailed, match="failed in tell"):
        a_study(tmp_path, sampler=FlakySampler(error=InvalidInput)).optimize(objective, 8, progress="none")


def test_an_error_of_kilters_that_answers_speaks_for_itself(tmp_path):
    with pytest.raises(InvalidInput, match=r"^boom$"):
        a_study(tmp_path, sampler=FlakySampler(method="ask", error=InvalidInput)).optimize(
            objective, 8, progress="none"
        )


@pytest.mark.parametrize("method", ["started", "reported", "ended", "plan", "judge"])
def test_a_scheduler_that_raises_is_named(tmp_path, method):
    with pytest.raises(PluginFailed, match=rf"^the scheduler FlakyScheduler failed in {method}\(\): KeyError: 'boom'"):
        a_study(tmp_path, scheduler=FlakyScheduler(method)).optimize(objective, 4, progress="none")


def test_a_plugin_that_cannot_start_is_named_before_there_is_a_study(tmp_path):
    with pytest.raises(PluginFailed, match=r"FlakyScheduler failed in start\(\)"):
        a_study(tmp_path, scheduler=FlakyScheduler("start"))
    assert kilter.get_all_study_names(storage=str(tmp_path / "s.db")) == []


def test_what_ran_beside_a_sampler_that_raised_waits_to_go_on(tmp_path):
    study = a_study(tmp_path, sampler=FlakySampler())
    with pytest.raises(PluginFailed):
        study.optimize(objective, 8, executor=Threads(3), progress="none")
    read = kilter.read_study(study_name="f", storage=str(tmp_path / "s.db"))
    assert not [trial for trial in read.trials if trial.state.name == "RUNNING"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x": 1.5, "kind": "b"}, r"x=1\.5, which is not a value of Float\(0"),
        ({"x": 0.5, "kind": "b", "y": 1}, r"'y', which the space does not have"),
        ({"x": 0.5, "kind": "a"}, r"no value for 'depth'"),
        ({"x": 0.5, "kind": "b", "depth": 3}, r"'depth', whose condition does not hold"),
        ({"x": 0.25, "kind": "b"}, r"\{'x': 0\.25, 'kind': 'b'\}, which is forbidden"),
        (7, r"7, which is no dict"),
    ],
)
def test_a_suggestion_that_is_not_of_the_space_is_refused_before_it_is_written(given, said):
    class Wild(RandomSampler):
        def ask(self, state: Any, history: Any, number: int) -> Any:
            return given

    space = kilter.Space(SPACE, forbidden=[{"x": 0.25, "kind": "b"}])
    study = kilter.create_study(space=space, sampler=Wild())
    with pytest.raises(PluginFailed, match=rf"^the sampler Wild failed in ask\(\): for trial 0 it suggests {said}"):
        study.optimize(objective, 2, progress="none")
    assert len(study.trials) == 0


def test_an_object_without_the_methods_is_refused_and_they_are_named():
    class Half:
        def ask(self, state: Any, history: Any, number: int) -> Any:
            return {}

        def judge(self, state: Any, trial: Any, history: Any) -> Any:
            return None

        def append(self, *arguments: Any) -> Any:
            return None

    for kind, said in (
        ("sampler", "capabilities, start, tell "),
        ("scheduler", "capabilities, judges, start, started"),
    ):
        with pytest.raises(InvalidInput, match=rf"^Half is no {kind} as it is: it lacks {said}"):
            kilter.create_study(space=SPACE, **{kind: Half()})
    with pytest.raises(InvalidInput, match="it lacks url, is_durable, create, "):
        kilter.create_study(space=SPACE, storage=Half())
    assert all(plugins.METHODS[kind] in needed for kind, needed in plugins.NEEDED.items())


def test_kilter_check_tells_a_sampler_that_fails_from_a_damaged_log(tmp_path, monkeypatch):
    monkeypatch.setitem(plugins.SAMPLERS, "flaky", f"{__name__}:FlakySampler")
    study = a_study(tmp_path, sampler=FlakySampler(method="none"))
    study.optimize(objective, 5, progress="none")
    monkeypatch.setattr(FlakySampler, "tell", lambda self, state, trial, problem: 1 / 0)
    found = check_study(study_name="f", storage=str(tmp_path / "s.db"))
    assert (found.lost, found.waiting) == ([], [])
    assert found.failing.startswith("the sampler FlakySampler failed in tell(): ZeroDivisionError")
    result = CliRunner().invoke(main, ["check", "f", "--storage", str(tmp_path / "s.db")])
    assert result.exit_code == 1
    assert "the log of 'f' is whole" in result.stdout
    assert "error: the sampler FlakySampler failed in tell()" in result.stderr
