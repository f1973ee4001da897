"""Whatever a history holds, each analysis has an answer, and JSON can say it."""

from __future__ import annotations

import json

from hypothesis import given, note
from tests.analysis.histories import histories

from kilter.analysis.comparison import compare
from kilter.analysis.curves import bands
from kilter.analysis.diagnostics import diagnose
from kilter.analysis.lineage import lineage
from kilter.analysis.overtuning import overtuning
from kilter.analysis.pareto import front, front_text, hypervolume
from kilter.analysis.plain import plain
from kilter.analysis.rungs import ladder
from kilter.analysis.timeline import timeline
from kilter.core.history import History
from kilter.core.problem import Problem

NOW = 1e5
ANALYSES = {
    "front": front,
    "front_text": front_text,
    "hypervolume": hypervolume,
    "bands": bands,
    "ladder": ladder,
    "timeline": lambda history: timeline(history, NOW),
    "lineage": lineage,
    "comparison": lambda history: compare({"a": [history], "b": [history, history]}),
    "comparison by time": lambda history: compare({"a": [history], "b": [history]}, against="time"),
    "overtuning": lambda history: [found := overtuning(history), str(found)],
    "findings": lambda history: diagnose(history, NOW, budget=20),
}


def said(analysis, history):
    return json.dumps(plain(analysis(history)), allow_nan=False)


@given(histories())
def test_there_is_an_answer_and_it_is_the_same_twice(history):
    for name, analysis in ANALYSES.items():
        note(name)
        assert said(analysis, history) == said(analysis, history)


def test_a_study_without_trials_has_one_too():
    for analysis in ANALYSES.values():
        said(analysis, History(Problem()))


@given(histories())
def test_findings_can_be_shown_and_what_calls_for_action_comes_first(history):
    found = diagnose(history, NOW)
    assert [f.severity for f in found] == sorted((f.severity for f in found), key=("act", "look", "note").index)
    for finding in found:
        assert finding.sentence.isprintable() and finding.action.isprintable()
        assert finding.sentence.endswith((".", "…")) and finding.action
        assert all(0 <= number < len(history) for number in finding.trials)
        assert set(finding.parameters) <= set(history.problem.space.parameters)
