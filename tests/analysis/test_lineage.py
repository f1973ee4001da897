"""Who descends from whom, and how the best came to its parameters."""

from __future__ import annotations

from hypothesis import given
from tests.analysis.histories import COMPLETE, FAIL, RUNNING, histories, history_of

from kilter import Float
from kilter.analysis.lineage import lineage
from kilter.core.events import RETRIES
from kilter.core.history import History, Record
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space

ACCURACY = Problem(Space({"lr": Float(0, 1)}), (Objective("acc", "maximize"),))


def trained(first, last, value, lr, parent=None, state=COMPLETE):
    reports = [(step, value) for step in range(first, last + 1)]
    told = {"value": value} if state is COMPLETE else {}
    return {"params": {"lr": lr}, "parent": parent, "reports": reports, "state": state, **told}


def test_a_family_with_forks():
    trials = [
        trained(1, 4, 0.5, 0.1),
        trained(1, 4, 0.6, 0.2),
        trained(5, 8, 0.8, 0.3, parent=1),
        trained(5, 8, 0.7, 0.4, parent=1),
        trained(9, 12, 0.9, 0.5, parent=2, state=RUNNING),
    ]
    found = lineage(history_of(trials, ACCURACY))
    told = [(n.number, n.parent, n.generation, n.children, n.start, n.end, n.value) for n in found.nodes]
    assert told == [
        (1, None, 0, 2, 0, 4, 0.6),
        (2, 1, 1, 1, 4, 8, 0.8),
        (3, 1, 1, 0, 4, 8, 0.7),
        (4, 2, 2, 0, 8, 12, 0.9),
    ]
    assert (found.roots, found.best, found.path, found.generations) == ((1,), 2, (1, 2), 3)
    assert [(s.start, s.end, s.params["lr"], s.trial) for s in found.schedule] == [(0, 4, 0.2, 1), (4, 8, 0.3, 2)]
    assert [node.number for node in found.nodes if node.is_ancestor] == [1, 2]


def test_before_any_is_complete_the_best_is_by_its_latest_report():
    trials = [trained(1, 2, 0.5, 0.1, state=RUNNING), trained(3, 3, 0.4, 0.1, parent=0, state=RUNNING)]
    assert lineage(history_of(trials, ACCURACY)).best == 0


def test_of_equal_ones_the_best_is_the_first_that_ended():
    history = History(ACCURACY)
    for number, parent in enumerate([None, 0, 0]):
        history.add(Record(number, COMPLETE, {"lr": 0.1}, parent=parent, metrics={"acc": 0.5}))
    for number in (2, 0, 1):
        history.settle(history[number])
    assert lineage(history).best == 2


def test_a_retry_is_told_from_a_fork():
    found = lineage(history_of([{"state": FAIL}, {"value": 1.0, "attrs": {RETRIES: 0}, "attempt": 2}, {"value": 0.0}]))
    assert [(n.number, n.parent, n.relation, n.attempts) for n in found.nodes] == [
        (0, None, None, 1),
        (1, 0, "retry", 2),
    ]
    assert (found.best, found.schedule) == (1, ())


@given(histories())
def test_parents_come_before_their_children(history):
    found = lineage(history)
    nodes = {node.number: node for node in found.nodes}
    assert sum(node.children for node in found.nodes) == len(found.nodes) - len(found.roots)
    for node in found.nodes:
        assert node.start <= node.end
        if node.parent is not None:
            assert node.parent < node.number
            assert node.generation == nodes[node.parent].generation + 1
    assert all(nodes[child].parent == parent for parent, child in zip(found.path, found.path[1:]))
