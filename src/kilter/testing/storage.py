"""What every storage has to do. Subclass StorageSuite, hand it your storage, and pytest runs the checks.

>>> class TestMine(StorageSuite):
...     @pytest.fixture
...     def storage(self, tmp_path):
...         return MyStorage(tmp_path / "studies")
...
...     def reopen(self, storage):  # where two handles can share the data; else two checks are skipped
...         return MyStorage(storage.path)
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from kilter.api import create_study
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput, StudyExists, StudyNotFound
from kilter.core.events import (
    Constrained,
    Created,
    Dropped,
    Ended,
    Enqueued,
    Event,
    Failure,
    Noted,
    Recalled,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.interfaces import Storage, Worker
from kilter.engine.snapshot import VERSION


def created(time: float = 1.0, **more: Any) -> Created:
    """The first event of a study, for tests."""
    return Created({"space": {}, "objectives": [["loss", "minimize"]], **more}, {"name": "random"}, {}, 7, time)


def started(number: int, attempt: int = 1, fresh: bool = True, worker: str = "w1") -> Started:
    """An attempt at a trial, for tests."""
    return Started(number, attempt, {"lr": 0.1, "layers": 3, "opt": "sgd", "bias": True}, worker, 1, 2.0, fresh)


def ended(number: int, attempt: int = 1, loss: float = 0.5, **more: Any) -> Ended:
    """The end of an attempt, for tests."""
    return Ended(number, attempt, TrialState.COMPLETE, {"loss": loss}, 3.0, **more)


def waiting(number: int | None = None, **more: Any) -> Enqueued:
    """A trial in the queue, for tests."""
    return Enqueued(number, {"lr": 0.2}, 2.5, **more)


def every_kind() -> list[Event]:
    """An event of each kind, in an order that a study could have."""
    reports = tuple(Report(step, {"loss": 1.0 / (step + 1), "acc": 0.5}) for step in range(3))
    uneven = (Report(3, {"loss": 0.1}), Report(4, {"acc": 1e-300}))
    return [
        SpaceExtended({"lr": {"kind": "float", "low": 0.0, "high": 1.0}}, 1.5),
        Constrained((("constraint size", "<=", 0.0),), 1.6),
        Recalled((EarlierStudy("größe", ({"lr": 0.1},), (0.5,), ({"lr": 1.0},), 3, True),), 1.7),
        started(0),
        Reported(0, 1, reports, 2.2),
        Reported(0, 1, uneven, 2.3),
        ended(0, reports=(Report(5, {"loss": 0.05}),), params={"lr": 0.3, "name": "größe"}),
        waiting(1, worker="w2", attrs={"from": ["a", None, {"deep": 1.5}]}),
        started(1, fresh=False),
        Ended(1, 1, TrialState.FAIL, {}, 4.0, failure=Failure("ValueError", "bad \u0000 \ud800", "line 1\nline 2")),
        ended(1, loss=0.7, late=True),
        replace(started(2), parent=0, budget={"epochs": 3, "rows": 0.5}),
        Reported(2, 1, (Report(0, {"loss": 0.5}, 3), Report(0, {"loss": 0.4}, "tsp"), Report(1, {"loss": 0.3})), 4.5),
        Reported(2, 1, (Report(0, {"loss": 0.6}, 4),), 4.6),
        replace(started(3), confirms=0),
        Ended(2, 1, TrialState.PAUSED, {"loss": 0.3}, 4.7),
        Dropped(2, 1, "behind", 4.8),
        ended(2, late=True, counts=True),
        Noted(1, {"tag": "x", "$float": "not a mark"}, 5.0),
        Noted(None, {"owner": "me"}, 6.0),
    ]


class StorageSuite:
    """The contract of `kilter.core.interfaces.Storage`."""

    @pytest.fixture
    def storage(self) -> Storage:
        """An empty storage; override this."""
        raise NotImplementedError("override the fixture `storage`")

    def reopen(self, storage: Storage) -> Storage | None:
        """A second handle on the same data, as another process would have; None where there is no such thing."""
        return None

    # Studies.

    def test_studies_are_listed_oldest_first(self, storage: Storage) -> None:
        """Names and times of creation come back, and the log starts with Created."""
        ids = [storage.create(name, created(time)) for name, time in (("b", 1.0), ("a", 2.0), ("größe", 3.0))]
        rows = storage.studies()
        assert [(row.id, row.name, row.created) for row in rows] == list(zip(ids, ["b", "a", "größe"], [1.0, 2.0, 3.0]))
        assert storage.read(ids[1]) == [(1, created(2.0))]

    def test_a_name_is_taken_once(self, storage: Storage) -> None:
        """The second study of a name is refused, and the first stays as it was."""
        study = storage.create("a", created())
        with pytest.raises(StudyExists):
            storage.create("a", created(9.0))
        assert storage.read(study) == [(1, created())]

    def test_a_deleted_study_is_gone(self, storage: Storage) -> None:
        """Its log goes, other studies stay, and its name and its id do not bring anything back."""
        gone, kept = storage.create("gone", created()), storage.create("kept", created())
        storage.append(gone, [started(0)], 1)
        storage.renew(gone, Worker("w1", "here", 1, 0.0), 60)
        storage.save_snapshot(gone, 1, "v", b"x")
        storage.delete(gone)
        assert [row.name for row in storage.studies()] == ["kept"]
        again = storage.create("gone", created())
        assert again not in (gone, kept)
        assert len(storage.read(again)) == 1
        assert storage.leases(again) == []
        assert storage.load_snapshot(again, "v") is None

    def test_an_unknown_study_is_an_error(self, storage: Storage) -> None:
        """Every method says StudyNotFound rather than nothing."""
        worker = Worker("w1", "here", 1, 0.0)
        for act in (
            lambda: storage.read(99),
            lambda: storage.append(99, [started(0)]),
            lambda: storage.delete(99),
            lambda: storage.save_snapshot(99, 1, "v", b""),
            lambda: storage.load_snapshot(99, "v"),
            lambda: storage.renew(99, worker, 1),
            lambda: storage.leases(99),
        ):
            with pytest.raises(StudyNotFound):
                act()

    # The log.

    def test_events_come_back_as_they_were(self, storage: Storage) -> None:
        """Every kind of event, in order, at positions without gaps."""
        study = storage.create("a", created())
        events = every_kind()
        assert storage.append(study, events, 1).refused == []
        assert storage.read(study) == list(enumerate([created(), *events], start=1))

    def test_append_returns_what_was_missed(self, storage: Storage) -> None:
        """All entries after a position, those of others first, then our own."""
        study = storage.create("a", created())
        storage.append(study, [started(0), started(1)], 1)
        answer = storage.append(study, [ended(0)], 2)
        assert answer.entries == [(3, started(1)), (4, ended(0))]
        assert storage.append(study, [ended(1)], 4).entries == [(5, ended(1))]
        assert [entry.position for entry in storage.append(study, []).entries] == [1, 2, 3, 4, 5]

    def test_read_starts_after_a_position(self, storage: Storage) -> None:
        """The entry at the position itself is known already."""
        study = storage.create("a", created())
        storage.append(study, [started(n) for n in range(5)], 1)
        assert [entry.position for entry in storage.read(study, 3)] == [4, 5, 6]
        assert storage.read(study, 6) == []
        assert [entry.position for entry in storage.read(study, 0, 2)] == [1, 2]
        assert [entry.position for entry in storage.read(study, 3, 2)] == [4, 5]
        assert [entry.position for entry in storage.read(study, 5, 9)] == [6]
        assert storage.read(study, 3, 0) == storage.read(study, 0, 0) == []

    def test_studies_do_not_mix(self, storage: Storage) -> None:
        """The same trial can be in two studies."""
        first, second = storage.create("a", created()), storage.create("b", created())
        storage.append(first, [started(0)], 1)
        assert storage.append(second, [started(0)], 1).refused == []
        assert len(storage.read(first)) == len(storage.read(second)) == 2

    def test_numbers_that_are_not_finite_survive(self, storage: Storage) -> None:
        """Infinities and NaN in metrics, reports and attributes."""
        study = storage.create("a", created())
        reports = (Report(0, {"loss": math.inf}), Report(1, {"loss": -math.inf}), Report(2, {"loss": math.nan}))
        storage.append(study, [started(0), ended(0, loss=-math.inf, reports=reports)], 1)
        storage.append(study, [Noted(0, {"gap": math.inf}, 4.0)], 3)
        end, note = (entry.event for entry in storage.read(study, 2))
        assert isinstance(end, Ended)
        assert end.metrics == {"loss": -math.inf}
        assert [report.metrics["loss"] for report in end.reports[:2]] == [math.inf, -math.inf]
        assert math.isnan(end.reports[2].metrics["loss"])
        assert isinstance(note, Noted)
        assert note.attrs == {"gap": math.inf}

    def test_an_attribute_that_is_not_json_is_refused_by_name(self, storage: Storage) -> None:
        """And nothing of that transaction is kept."""
        study = storage.create("a", created())
        with pytest.raises(InvalidInput, match="'model'"):
            storage.append(study, [started(0), Noted(0, {"ok": 1, "model": object()}, 1.0)], 1)
        assert len(storage.read(study)) == 1

    # What is refused.

    def test_an_identity_is_taken_once(self, storage: Storage) -> None:
        """The second is refused, the others of its batch are written."""
        study = storage.create("a", created())
        first: list[Event] = [started(0), Reported(0, 1, (Report(0, {"loss": 1.0}),), 2.0), ended(0)]
        storage.append(study, first, 1)
        for event in first:
            assert storage.append(study, [event], 4).refused == [event]
        again, new = ended(0, loss=0.1), started(1)
        batch: list[Event] = [again, new]
        answer = storage.append(study, batch, 4)
        assert answer.refused == [again]
        assert answer.entries == [(5, new)]
        assert storage.append(study, [created()], 5).refused == [created()]

    def test_identities_that_differ_are_no_conflict(self, storage: Storage) -> None:
        """Another attempt, another first step, a late end; events without identity are never refused."""
        study = storage.create("a", created())
        events: list[Event] = [
            started(0),
            Reported(0, 1, (Report(0, {"loss": 1.0}),), 2.0),
            Reported(0, 1, (Report(1, {"loss": 1.0}),), 2.0),
            ended(0),
            ended(0, late=True),
            started(0, 2, fresh=False),
            ended(0, 2),
            *[Noted(0, {"a": 1}, 1.0)] * 2,
            *[Noted(None, {"a": 1}, 1.0)] * 2,
            *[SpaceExtended({}, 1.0)] * 2,
        ]
        assert storage.append(study, events, 1).refused == []

    def test_a_trial_is_created_once(self, storage: Storage) -> None:
        """A fresh start of a queued number is refused; one that is not fresh claims it, once."""
        study = storage.create("a", created())
        storage.append(study, [waiting(0), started(1)], 1)
        assert storage.append(study, [started(0)], 3).refused == [started(0)]
        assert storage.append(study, [waiting(1)], 3).refused == [waiting(1)]
        assert storage.append(study, [started(1, 2)], 3).refused == [started(1, 2)]
        claim, other = started(0, fresh=False), started(0, fresh=False, worker="w2")
        assert storage.append(study, [claim], 3).refused == []
        answer = storage.append(study, [other], 3)
        assert answer.refused == [other]
        assert answer.entries == [(4, claim)]

    def test_the_queue_is_numbered(self, storage: Storage) -> None:
        """An Enqueued without a number gets the one after the highest."""
        study = storage.create("a", created())
        storage.append(study, [waiting(), waiting()], 1)
        storage.append(study, [started(7)], 1)
        answer = storage.append(study, [waiting(attrs={"k": 1})], 4)
        assert [entry.event.number for entry in storage.read(study, 1)] == [0, 1, 7, 8]
        assert answer.entries == [(5, waiting(8, attrs={"k": 1}))]

    def test_the_limit_holds_for_new_trials(self, storage: Storage) -> None:
        """Numbers below it are free; at it and above they are refused; what creates nothing goes on."""
        study = storage.create("a", created())
        storage.append(study, [started(0), started(5)], 1)
        assert storage.append(study, [started(1)], 1, limit=2).refused == []
        assert storage.append(study, [started(2)], 1, limit=2).refused == [started(2)]
        assert storage.append(study, [waiting()], 1, limit=6).refused == [waiting()]
        assert storage.append(study, [waiting(3)], 1, limit=3).refused == [waiting(3)]
        assert storage.append(study, [ended(5), started(5, 2, fresh=False)], 1, limit=2).refused == []

    def test_a_configuration_is_begun_once_where_that_is_asked(self, storage: Storage) -> None:
        """A start is refused where one that its sampler has not read began the same; whoever read it may."""
        study = storage.create("a", created())
        storage.append(study, [waiting(0), waiting(1), started(0, fresh=False)], 1)
        one, other = started(2), replace(started(3), params={"lr": 0.3})
        for again in (one, started(1, fresh=False)):
            assert storage.append(study, [again], 3, distinct=True).refused == [again]
        answer = storage.append(study, [one, other, ended(0)], 3, distinct=True)
        assert answer.refused == [one]
        assert answer.entries == [(4, started(0, fresh=False)), (5, other), (6, ended(0))]
        assert storage.append(study, [one], 3).refused == []
        assert storage.append(study, [started(4)], 7, distinct=True).refused == []
        empty = [replace(started(number), params={}) for number in (5, 6)]
        for start in empty:  # of parameters that are yet to be met
            assert storage.append(study, [start], 8, distinct=True).refused == []

    # Snapshots and leases.

    def test_the_latest_snapshot_is_kept(self, storage: Storage) -> None:
        """A slower writer does not replace a later one; another version finds nothing."""
        study = storage.create("a", created())
        assert storage.load_snapshot(study, "v1") is None
        storage.save_snapshot(study, 5, "v1", b"five\x00")
        storage.save_snapshot(study, 9, "v1", b"nine")
        storage.save_snapshot(study, 7, "v1", b"seven")
        assert storage.load_snapshot(study, "v1") == (9, b"nine")
        assert storage.load_snapshot(study, "v2") is None
        storage.save_snapshot(study, 3, "v2", b"three")
        assert storage.load_snapshot(study, "v2") == (3, b"three")

    def test_leases_run_out(self, storage: Storage) -> None:
        """Each worker has one; renewing replaces it; the seconds left turn negative."""
        study = storage.create("a", created())
        one, two = Worker("w1", "here", 11, 123.25), Worker("w2", "there", 12, 0.5)
        storage.renew(study, one, 60)
        storage.renew(study, two, -5)
        left = dict(storage.leases(study))
        assert set(left) == {one, two}
        assert 50 < left[one] <= 60.5
        assert -15 < left[two] <= -4.5
        storage.renew(study, two, 30)
        assert dict(storage.leases(study))[two] > 20
        storage.release(study, "w1")
        storage.release(study, "w1")
        assert [worker for worker, _ in storage.leases(study)] == [two]

    def test_a_study_that_outlives_its_process_is_looked_after(self, storage: Storage) -> None:
        """Workers hold leases, which a closed study gives back, and keep snapshots exactly where it is durable."""
        handle = create_study(storage=storage, study_name="a", sampler="random", scheduler="fifo", seed=0)
        (row,) = storage.studies()
        trial = handle.ask()
        assert len(storage.leases(row.id)) == storage.is_durable
        handle.tell(trial, trial.suggest_float("x", 0.0, 1.0))
        handle.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=1, progress="none")
        assert (storage.load_snapshot(row.id, VERSION) is not None) is storage.is_durable
        handle.close()
        assert storage.leases(row.id) == []

    # Two handles.

    def test_two_handles_see_one_log(self, storage: Storage) -> None:
        """What one writes the other reads, and both keep the order."""
        other = self._other(storage)
        study = storage.create("a", created())
        known = [1, 1]
        for number in range(20):
            turn = number % 2
            answer = (storage, other)[turn].append(study, [started(number)], known[turn])
            assert answer.entries[-1].event == started(number)
            known[turn] = answer.entries[-1].position
        assert storage.read(study) == other.read(study)
        assert [entry.position for entry in other.read(study)] == list(range(1, 22))
        other.close()

    def test_two_handles_claim_a_trial_once(self, storage: Storage) -> None:
        """Whoever comes second is refused and sees who was first."""
        other = self._other(storage)
        study = storage.create("a", created())
        with pytest.raises(StudyExists):
            other.create("a", created())
        storage.append(study, [started(0)], 1)
        late = started(0, worker="w2")
        answer = other.append(study, [late], 1)
        assert answer.refused == [late] and answer.refused[0] is late
        assert answer.entries == [(2, started(0))]
        other.close()

    def test_exactly_what_is_durable_is_there_when_it_is_opened_again(self, storage: Storage) -> None:
        """What a second handle finds outlives the first, so the storage has to say that it is durable, and else not."""
        other = self._other(storage)
        if other is storage:
            pytest.skip("this storage has no second handle")
        storage.create("a", created())
        assert [row.name for row in other.studies()] == ["a"] * storage.is_durable
        other.close()

    def _other(self, storage: Storage) -> Storage:
        other = self.reopen(storage)
        if other is None:
            pytest.skip("this storage has no second handle")
        return other
