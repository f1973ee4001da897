"""A study never answers for another objective; the same goes on in silence; failures before a change are forgiven."""

import subprocess
import sys
from contextlib import suppress

import pytest

from kilter import Choice, Float, TrialState, create_study, load_study, tune
from kilter.core.errors import InvalidInput, KilterError, SpaceChanged, StudyAborted, StudyChanged

SPACE = {"x": Float(0, 1)}
OPTIONS = {"seed": 0, "progress": "none", "sampler": "random"}


def works(x):
    return x


def other(x):
    return x + 1


def broken(x):
    raise TypeError(f"no {x}")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/s.db"


def run(objective, url, n=5, name="s", space=SPACE, **more):
    return tune(objective, space, n_trials=n, storage=url, study_name=name, **OPTIONS, **more)


def states(study):
    return [trial.state.name for trial in study.trials]


class TestTune:
    def test_the_same_goes_on_in_silence(self, url, caplog):
        run(works, url)
        assert len(run(works, url, 8).trials) == 8
        assert not caplog.records

    def test_another_stops_with_what_differs_since_when_and_the_ways_on(self, url):
        run(works, url)
        with pytest.raises(StudyChanged) as caught:
            run(other, url, 8)
        text = str(caught.value)
        assert "\n" not in text and "the code of other has changed, since 2" in text and "5 results" in text
        for way in ("if_changed='continue'", "if_changed='new'", "another study_name", f"kilter rm s --storage {url}"):
            assert way in text
        assert len(load_study(storage=url, study_name="s").trials) == 5

    def test_where_nothing_is_kept_there_is_nothing_to_remove(self, caplog):
        study = create_study(space=SPACE, sampler="random", seed=0)
        study.optimize(works, n_trials=1, progress="none")
        with pytest.raises(StudyChanged) as caught:
            study.optimize(other, n_trials=1, progress="none", if_changed="fail")
        assert "kilter rm" not in str(caught.value)

    def test_continue_goes_on_and_remembers_the_new_one(self, url):
        run(works, url)
        assert len(run(other, url, 8, if_changed="continue").trials) == 8
        assert len(run(other, url, 9).trials) == 9
        with pytest.raises(StudyChanged):
            run(works, url, 9)

    def test_new_begins_another_one_beside_it_and_goes_on_with_that(self, url):
        run(works, url)
        new = run(other, url, 3, if_changed="new")
        assert (new.study_name, len(new.trials)) == ("s-2", 3)
        assert len(run(other, url, 4, if_changed="new").trials) == 4
        assert run(works, url, 5, if_changed="new").study_name == "s"

    def test_code_that_cannot_be_compared_is_told_once(self, url, caplog):
        run(works, url)
        names = {}
        exec("def works(x): return x", names)
        run(names["works"], url, 6)
        run(names["works"], url, 7)
        (told,) = [record.getMessage() for record in caplog.records]
        assert "nothing tells whether the code of works has changed" in told

    def test_an_unknown_choice_is_refused(self, url):
        with pytest.raises(InvalidInput, match="'fail', 'continue', 'new'"):
            run(works, url, if_changed="ask")

    def test_where_nothing_succeeded_it_just_goes_on_and_failures_use_up_nothing(self, url):
        with suppress(KilterError):
            run(broken, url, 20)
        failed = len(load_study(storage=url, study_name="s").trials)
        study = run(works, url, 5)
        assert states(study) == ["FAIL"] * failed + ["COMPLETE"] * 5

    def test_run_again_runs_again_where_nothing_succeeded(self, url):
        """What was mended may be what no code shows."""
        works_now = []

        def objective(x):
            if not works_now:
                raise OSError("no such file")
            return x

        for _ in range(2):
            with suppress(KilterError):
                run(objective, url, 3)
        works_now.append(True)
        assert states(run(objective, url, 3)) == ["FAIL"] * 6 + ["COMPLETE"] * 3

    def test_a_run_that_was_given_up_uses_up_nothing(self, url, tmp_path):
        """What was missing may be a file: the code is the same before and after, and one trial has succeeded."""
        data = tmp_path / "data.csv"

        def objective(x):
            return x + len(data.read_text())

        data.touch()
        run(objective, url, 1)
        data.unlink()
        with pytest.raises(StudyAborted):
            run(objective, url, 12)
        data.touch()
        assert states(run(objective, url, 12)).count("COMPLETE") == 12

    def test_failures_of_before_a_change_are_forgiven(self, url):
        run(works, url, 1)
        with suppress(KilterError):
            run(broken, url, 30, if_changed="continue")
        study = run(works, url, 4, if_changed="continue")
        assert states(study).count("COMPLETE") == 4

    def test_where_nothing_succeeded_other_metrics_and_spaces_begin_anew(self, url, caplog):
        with suppress(KilterError):
            run(broken, url, 3)
        study = run(lambda y: {"loss": y}, url, 3, space={"y": Choice([1, 2, 3])}, minimize="loss")
        assert states(study) == ["COMPLETE"] * 3
        assert "begins anew" in caplog.text

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ({"maximize": "value"}, "its objectives are maximize value and were minimize value"),
            ({"minimize": "value", "subject_to": {"t": "<= 3"}}, "its constraints are t <= 3 and were none"),
        ],
    )
    def test_other_metrics_are_another_thing_whatever_is_chosen(self, url, asked, told):
        run(works, url)
        for choice in ("fail", "continue"):
            with pytest.raises(StudyChanged, match=told):
                run(works, url, if_changed=choice, **asked)

    def test_a_space_that_grew_goes_on_and_is_told(self, url, caplog):
        run(works, url, 3)
        assert len(run(works, url, 6, space={"x": Float(0, 2)}).trials) == 6
        assert "its space has grown" in caplog.text

    def test_a_space_that_grew_is_not_answered_with_old_results(self, url):
        run(works, url, 3)
        with pytest.raises(StudyChanged, match="its space has grown"):
            run(works, url, 3, space={"x": Float(0, 2)})
        assert run(works, url, 3).space["x"] == Float(0, 1)

    def test_a_run_that_evaluates_nothing_says_so_with_the_date_of_its_results(self, url, capsys):
        run(works, url)
        tune(works, SPACE, n_trials=5, storage=url, study_name="s", seed=0, sampler="random", progress="plain")
        last = capsys.readouterr().err.splitlines()[-1]
        assert "nothing was evaluated, the results are from 2" in last

    def test_lambdas_partials_and_objects_do_not_share_a_study(self, url):
        found = [
            tune(objective, SPACE, n_trials=2, storage=url, **OPTIONS)
            for objective in (lambda x: x, lambda x: -x, works)
        ]
        assert len({study.study_name for study in found}) == 3
        assert all(len(study.trials) == 2 for study in found)

    @pytest.mark.parametrize("space", [{"x": Float(0.5, 1)}, {"y": Float(0, 1)}, {"x": Float(1e-3, 1, log=True)}])
    def test_a_space_that_contradicts_says_which_study_and_that_a_new_one_can_begin(self, url, space):
        run(works, url)
        for choice in ("fail", "continue"):
            with pytest.raises(SpaceChanged) as caught:
                run(lambda **params: 1.0, url, space=space, if_changed=choice)
            text = str(caught.value)
            assert text.startswith("the study 's' was made with a different space: ")
            assert "if_changed='new'" in text and "continue" not in text
        assert run(lambda **params: 1.0, url, space=space, if_changed="new").study_name == "s-2"

    def test_constraints_that_trials_set_are_no_change(self, url):
        def objective(trial):
            trial.set_constraint("c", trial.params["x"] - 0.9)
            return trial.params["x"]

        run(objective, url)
        assert len(run(objective, url, 7).trials) == 7

    def test_failures_that_may_run_again_are_told(self, url, capsys):
        def objective(x):
            if x > 0.5:
                raise OSError("no such file")
            return x

        run(objective, url, 6)
        tune(objective, SPACE, n_trials=6, storage=url, study_name="s", seed=0, sampler="random", progress="plain")
        assert (
            f"kilter retry s --failed --storage {url} runs failed trials again"
            in capsys.readouterr().err.splitlines()[-1]
        )


class TestOptimize:
    def made(self, url):
        return create_study(storage=url, study_name="s", space=SPACE, sampler="random", seed=0, load_if_exists=True)

    def test_a_study_that_was_loaded_is_of_its_objective(self, url):
        self.made(url).optimize(works, n_trials=2, progress="none")
        study = self.made(url)
        with pytest.raises(StudyChanged):
            study.optimize(other, n_trials=2, progress="none")
        with pytest.raises(InvalidInput, match="choose another study_name"):
            study.optimize(other, n_trials=2, progress="none", if_changed="new")
        study.optimize(other, n_trials=2, progress="none", if_changed="continue")
        assert states(study) == ["COMPLETE"] * 4

    def test_one_in_hand_goes_on_and_says_so(self, url, caplog):
        study = self.made(url)
        study.optimize(works, n_trials=1, progress="none")
        study.optimize(other, n_trials=1, progress="none")
        assert "the code of other has changed" in caplog.text
        assert states(study) == ["COMPLETE"] * 2


class TestRetry:
    def study(self, url=None):
        study = create_study(storage=url, study_name="s", space=SPACE, sampler="random", seed=0)
        study.optimize(lambda x: 1 / (x > 0.6) or x, n_trials=6, progress="none")
        assert {"FAIL", "COMPLETE"} == set(states(study))
        return study

    def test_failed_trials_are_run_again_and_stand_for_the_old_ones(self, url):
        study = self.study(url)
        failed = [trial for trial in study.trials if trial.state is TrialState.FAIL]
        queued = study.retry(failed=True)
        assert [study.trials[number].params for number in queued] == [trial.params for trial in failed]
        assert study.retry(failed=True) == []
        study = tune(works, SPACE, n_trials=6, storage=url, study_name="s", if_changed="continue", **OPTIONS)
        assert states(study).count("COMPLETE") == 6 and len(study.trials) == 6 + len(failed)

    def test_one_trial(self):
        study = self.study()
        failed = next(trial for trial in study.trials if trial.state is TrialState.FAIL)
        assert study.retry(failed) == [6]
        assert study.trials[6].params == failed.params

    def test_what_has_not_failed_is_refused(self):
        study = self.study()
        done = next(trial.number for trial in study.trials if trial.state is TrialState.COMPLETE)
        with pytest.raises(InvalidInput, match="COMPLETE: nothing to retry"):
            study.retry(done)
        with pytest.raises(InvalidInput, match="failed=True"):
            study.retry()

    def test_it_survives_a_restart(self, url):
        queued = self.study(url).retry(failed=True)
        study = load_study(storage=url, study_name="s")
        assert study.history.forgiven == len(queued)
        assert study.retry(failed=True) == []


README = """
import kilter
study = kilter.tune(lambda x: (x - {at}) ** 2, {{"x": kilter.Float(-10, 10)}}, n_trials=15, sampler="random")
print(study.best_params["x"])
"""


@pytest.mark.story
def test_three_lines_edited_and_run_again_answer_the_new_question(tmp_path):
    def answer(at):
        (tmp_path / "three.py").write_text(README.format(at=at))
        out = subprocess.run([sys.executable, "three.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return float(out.stdout)

    first = answer(2)
    assert abs(first - 2) < abs(answer(-8) - 2)
    assert answer(2) == first


@pytest.mark.story
def test_two_scripts_in_one_folder_do_not_share_a_study(tmp_path):
    text = (
        "import kilter\ndef objective(lr):\n    return (lr - {}) ** 2\n"
        "kilter.tune(objective, {{'lr': kilter.Float(0, 1)}}, n_trials=4, sampler='random')"
    )
    for name, at in (("svm.py", 0.2), ("net.py", 0.2)):
        (tmp_path / name).write_text(text.format(at))
    results = [
        subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=False)
        for name in ("svm.py", "net.py", "svm.py")
    ]
    assert [result.returncode for result in results] == [0, 1, 0]
    assert "objective of net.py and was objective of svm.py" in results[1].stderr
