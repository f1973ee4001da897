"""What is said of earlier studies: who teaches, how right each is, what is owed to it, and what is wrong with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import histories

from kilter.analysis.diagnostics import diagnose
from kilter.analysis.transfer import owed_text, transfer
from kilter.core.earlier import EarlierStudy
from kilter.core.events import Recalled, Started
from kilter.core.numbers import Float
from kilter.core.problem import Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.samplers import AutoSampler
from kilter.testing.sampler import Log

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})
ODD = EarlierStudy("odd\x1b[31m", ({"z": 1.0}, {"z": 2.0}, {"z": 3.0}), (1.0, 2.0, 3.0))


def bowl(config, x=0.3, y=0.6):
    return (config["x"] - x) ** 2 + (config["y"] - y) ** 2


def study(name, sign=1.0, trials=20, **more):
    stream = rng(0, name)
    configs = tuple(SPACE.draw(stream) for _ in range(trials))
    return EarlierStudy(name, configs, tuple(sign * bowl(config) for config in configs), trials=2 * trials, **more)


def log_after(studies, trials=0, space=SPACE):
    log = Log(AutoSampler(), Problem(space, (Objective("value", "minimize"),)))
    log.write(Recalled(tuple(studies), 0.0))
    log.run(trials, lambda config: {"value": bowl(config, 0.35)})
    return log


@pytest.fixture(scope="module")
def learner():
    return log_after([study("cancer"), study("digits"), study("foe", -1.0), ODD], 12)


@given(
    histories(), st.lists(st.sampled_from([study("a"), study("b", same=True), ODD, EarlierStudy("c", ({"x": 0.5},))]))
)
def test_of_any_history_and_any_earlier_studies_something_is_said(history, studies):
    history.earlier = tuple(studies)
    told = transfer(history)
    assert [teacher.name for teacher in told.teachers] == [each.name for each in studies]
    assert set(told.owed) == {number for teacher in told.teachers for number in teacher.owed}
    assert owed_text(history) == told.sentence
    assert all(teacher.reason or teacher.weight is None or 0 <= teacher.weight <= 1 for teacher in told.teachers)
    assert "\x1b" not in str(told)


def listed_in(log):
    """The trials that the sampler says it took from the list."""
    found = []
    for trial in log.engine.history:
        engine = log.replayed(trial.seen)
        why = log.sampler.explain(engine.sampler_state, engine.history, trial.number, trial.params)
        found += [trial.number] * (why.arm == "list")
    return found


def test_what_is_owed_is_what_the_sampler_says_that_it_took_from_the_list(learner):
    listed, told = listed_in(learner), transfer(learner.engine.history)
    assert list(told.owed) == listed != []
    assert f"{len(listed)} of 12 trials owed to" in told.sentence
    assert told.sentence in str(told)


def test_each_teacher_has_its_agreement_and_its_weight(learner):
    cancer, _, foe, odd = transfer(learner.engine.history).teachers
    assert cancer.agreement > 0.6 and foe.agreement < -0.6
    assert cancer.weight > 0.4 and foe.weight == 0
    assert (cancer.used, cancer.trials, cancer.parameters, cancer.standing) == (20, 40, "2 of 2", "teaches")
    assert foe.standing == "no better than chance"
    assert odd.weight is None and odd.extra == ("z",) and odd.standing.startswith("passed over: it has none of the")


def test_before_the_first_results_there_is_nothing_to_compare():
    [teacher, given_list] = transfer(
        log_after([study("cancer"), EarlierStudy("mine", ({"x": 0.5, "y": 0.5},))]).engine.history
    ).teachers
    assert teacher.agreement is None and teacher.standing == "nothing to compare yet"
    assert given_list.weight is None and given_list.standing == "tried in its order"


def test_defaults_are_the_users_own_even_where_an_earlier_study_tried_them():
    space = Space({"x": Float(0, 1, default=0.5), "y": Float(0, 1, default=0.5)})
    tried = EarlierStudy("cancer", ({"x": 0.5, "y": 0.5}, *study("cancer").configs), (0.0, *study("cancer").losses))
    told = transfer(log_after([tried], 4, space).engine.history)
    assert told.owed and 0 not in told.owed


def test_a_study_of_its_own_owes_nothing_and_loads_nothing():
    history = log_after([], 3).engine.history
    assert transfer(history).teachers == () and owed_text(history) == ""
    assert str(transfer(history)) == "it learns from no earlier study"


def found(history):
    return [finding for finding in diagnose(history, 1e6) if finding.kind == "transfer"]


def test_misleading_studies_are_told_of_once_enough_is_known():
    foes = [study("foe", -1.0), study("enemy", -1.0)]
    assert found(log_after(foes, 6).engine.history) == []
    [finding] = found(log_after(foes, 12).engine.history)
    assert finding.severity == "note" and "no better than chance" in finding.sentence
    assert found(log_after([*foes, study("friend")], 12).engine.history) == []


def test_a_study_that_teaches_nothing_is_told_of_with_the_way_out():
    far = EarlierStudy("far", tuple({"x": 9.0 + i, "y": 0.5} for i in range(4)), (1.0, 2.0, 3.0, 4.0))
    odd, outside = found(log_after([ODD, far, study("cancer")]).engine.history)
    assert "\x1b" not in odd.sentence and "renamed" in odd.action
    assert "'far'" not in outside.sentence and "far teaches nothing" in outside.sentence and "widen" in outside.action


def test_the_list_of_owed_trials_ends_with_the_opening():
    one = study("cancer")
    log = log_after([one], 8)
    before = transfer(log.engine.history).owed
    log.write(Started(8, 1, one.configs[int(np.argmax(one.losses))], "w1", log.engine.position, 8.0))
    assert transfer(log.engine.history).owed == before


def test_studies_of_other_sizes_are_owed_what_they_lead_to_and_say_how_parameters_move():
    space = Space({"x": Float(1e-3, 1, log=True).scaling(width=-0.5), "y": Float(0, 1)})
    log = log_after([study("small", doublings={"width": -3.0}), study("less", doublings={"width": -2.0})], 6, space)
    told = transfer(log.engine.history)
    assert list(told.owed) == listed_in(log) and len(told.owed) > 2
    assert all(teacher.weight is not None for teacher in told.teachers)
    [tilt] = told.tilts
    assert "x" in tilt and "width" in tilt and tilt in str(told)
