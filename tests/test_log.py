"""The log of a study, as it is offered to those who follow it or have something to add."""

from __future__ import annotations

import pytest

import kilter
from kilter.core.errors import InvalidInput
from kilter.core.events import Ended, Enqueued, Noted, Started, TrialState
from kilter.core.past import PastTrial


def done(n: int = 3) -> kilter.Study:
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0)
    study.optimize(lambda x: x, n_trials=n, progress="none")
    return study


def test_who_reads_on_from_where_it_was_misses_nothing_and_sees_nothing_twice() -> None:
    study = done()
    whole, read, position = study.log.read(), [], 0
    while part := study.log.read(position, 2):
        read += part
        position = part[-1].position
    assert read == whole
    assert [entry.position for entry in whole] == list(range(1, len(whole) + 1))
    study.set_user_attr("team", "blue")
    assert [entry.event.attrs for entry in study.log.read(position)] == [{"team": "blue"}]


def test_what_is_written_counts_as_if_it_had_happened_here() -> None:
    study = done()
    past = PastTrial(TrialState.COMPLETE, {"x": 0.25}, 1.0, 2.0, {"value": -1.0}, attrs={"from": "afar"})
    assert study.log.write(*past.events(3, "afar"), Noted(None, {"imported": 1}, 2.0)) == []
    best = study.best_trial
    assert (best.number, best.value, best.params, best.user_attrs) == (3, -1.0, {"x": 0.25}, {"from": "afar"})
    assert study.user_attrs == {"imported": 1}
    with pytest.raises(InvalidInput, match=r"trial 3 was .* run elsewhere"):
        study.explain(3)  # nobody asked a sampler for it


def test_who_was_slower_is_told_so() -> None:
    study = done()
    again = Started(2, 1, {"x": 0.5}, "another", 0, 0.0)
    before = len(study.log.read())
    assert study.log.write(again) == [again]
    assert len(study.log.read()) == before


@pytest.mark.parametrize(
    "event",
    [
        Ended(7, 1, TrialState.COMPLETE, {"value": 0.0}, 0.0),
        Enqueued(4, {}, 0.0),
        Noted(-1, {}, 0.0),
        Started(3, 5, {"x": 0.5}, "another", 0, 0.0),
        done(1).log.read()[0].event,
    ],
)
def test_what_no_log_could_go_on_after_is_refused_with_all_that_was_to_be_written(event: object) -> None:
    study = done()
    before = study.log.read()
    with pytest.raises(InvalidInput, match=r"the study has 3 trials|created once|attempt at a trial is number 1"):
        study.log.write(Noted(None, {"a": 1}, 0.0), event)  # type: ignore[arg-type]
    assert study.log.read() == before
    study.optimize(lambda x: x, n_trials=1, progress="none")
