"""MemoryStorage, the conformance suite itself, and the URLs that open a storage."""

import threading
from dataclasses import replace

import pytest

from kilter.core.errors import InvalidInput, StorageError, UnknownName
from kilter.core.events import Ended, Entry
from kilter.core.interfaces import Appended
from kilter.plugins import open_storage
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.storage import StorageSuite, created, started


class TestMemory(StorageSuite):
    @pytest.fixture
    def storage(self):
        return MemoryStorage()

    def reopen(self, storage):
        return storage


def test_threads_claim_each_number_once():
    storage = MemoryStorage()
    study = storage.create("a", created())
    refused = []

    def claim(worker):
        for number in range(200):
            refused.extend(storage.append(study, [started(number, worker=worker)]).refused)

    threads = [threading.Thread(target=claim, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 600
    assert len(storage.read(study)) == 201


# Storages that are broken on purpose: each must be caught by the check beside it.


class Reversed(MemoryStorage):
    def read(self, study, after=0, count=None):
        return super().read(study, after, count)[::-1]


class NewestFirst(MemoryStorage):
    def studies(self):
        return super().studies()[::-1]


class NameTakenTwice(MemoryStorage):
    def create(self, name, event):
        return super().create(name + " " * len(self.studies()), event)


class KeepsTheDeleted(MemoryStorage):
    def delete(self, study):
        self.read(study)


class MakesUpStudies(MemoryStorage):
    def leases(self, study):
        return super().leases(study) if study in self._logs else []


class ForgetsOwn(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        answer = super().append(study, events, after, limit, distinct)
        return Appended(answer.entries[: -len(events)] if events else answer.entries, answer.refused)


class ReadsTooMuch(MemoryStorage):
    def read(self, study, after=0, count=None):
        return super().read(study, max(after - 1, 0), count)


class ReadsAll(MemoryStorage):
    def read(self, study, after=0, count=None):
        return super().read(study, after)


class MixesStudies(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        return super().append(1, events, after, limit, distinct)


class LosesInfinity(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        events = [
            replace(e, metrics={k: min(v, 1e308) for k, v in e.metrics.items()}, reports=())
            if isinstance(e, Ended)
            else e
            for e in events
        ]
        return super().append(study, events, after, limit, distinct)


class TearsBatches(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        answers = [super(TearsBatches, self).append(study, [event], after, limit, distinct) for event in events]
        refused = [event for answer in answers for event in answer.refused]
        return Appended(super().read(study, after), refused)


class RefusesNothing(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        return Appended(super().append(study, events, after, limit, distinct).entries, [])


class RefusesTheBatch(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        answer = super().append(study, events, after, limit, distinct)
        return Appended(answer.entries, list(events)) if answer.refused else answer


class RefusesNotes(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        answer = super().append(study, events, after, limit, distinct)
        return Appended(answer.entries, [e for e in events if e.identity is None])


class CreatesTwice(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        self._logs[study].numbers.clear()
        return super().append(study, events, after, limit, distinct)


class NumbersFromZero(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        self._logs[study].next_number = min(self._logs[study].next_number, 2)
        return super().append(study, events, after, limit, distinct)


class NoLimit(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        return super().append(study, events, after, None, distinct)


class LimitForAll(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        over = [e for e in events if limit is not None and (e.number or 0) >= limit]
        answer = super().append(study, [e for e in events if e not in over], after, limit, distinct)
        return Appended(answer.entries, over + answer.refused)


class BeginsTwice(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        return super().append(study, events, after, limit)


class BeginsOnce(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        return super().append(study, events, after, limit, True)


class KeepsAnySnapshot(MemoryStorage):
    def save_snapshot(self, study, position, version, data):
        self._logs[study].snapshot = (position, version, data)


class EternalLeases(MemoryStorage):
    def leases(self, study):
        return [(worker, abs(left)) for worker, left in super().leases(study)]


class KeepsLeases(MemoryStorage):
    def release(self, study, worker):
        pass


class SwapsEntries(MemoryStorage):
    def read(self, study, after=0, count=None):
        entries = super().read(study, after, count)
        return [Entry(entry.position, other.event) for entry, other in zip(entries, entries[::-1])]


class Forgetful(MemoryStorage):
    """A second handle on it is another storage."""


class SaysItIsDurable(MemoryStorage):
    """And keeps no leases."""

    is_durable = property(lambda self: True, lambda self, value: None)

    def renew(self, study, worker, seconds):
        pass


class LosesWhatWasBefore(MemoryStorage):
    """A second handle on it is empty, though it is durable."""

    def __init__(self):
        super().__init__()
        self.is_durable = True


class KeepsThatItIsDurable(MemoryStorage):
    """To itself: a second handle on it finds the same."""

    def twin(self):
        other = KeepsThatItIsDurable()
        other._logs = self._logs
        return other


SABOTAGE = [
    (NewestFirst, "studies_are_listed_oldest_first"),
    (NameTakenTwice, "a_name_is_taken_once"),
    (KeepsTheDeleted, "a_deleted_study_is_gone"),
    (MakesUpStudies, "an_unknown_study_is_an_error"),
    (Reversed, "events_come_back_as_they_were"),
    (SwapsEntries, "events_come_back_as_they_were"),
    (ForgetsOwn, "append_returns_what_was_missed"),
    (ReadsTooMuch, "read_starts_after_a_position"),
    (ReadsAll, "read_starts_after_a_position"),
    (MixesStudies, "studies_do_not_mix"),
    (LosesInfinity, "numbers_that_are_not_finite_survive"),
    (TearsBatches, "an_attribute_that_is_not_json_is_refused_by_name"),
    (RefusesNothing, "an_identity_is_taken_once"),
    (RefusesTheBatch, "an_identity_is_taken_once"),
    (RefusesNotes, "identities_that_differ_are_no_conflict"),
    (CreatesTwice, "a_trial_is_created_once"),
    (NumbersFromZero, "the_queue_is_numbered"),
    (NoLimit, "the_limit_holds_for_new_trials"),
    (LimitForAll, "the_limit_holds_for_new_trials"),
    (BeginsTwice, "a_configuration_is_begun_once_where_that_is_asked"),
    (BeginsOnce, "a_configuration_is_begun_once_where_that_is_asked"),
    (KeepsAnySnapshot, "the_latest_snapshot_is_kept"),
    (EternalLeases, "leases_run_out"),
    (KeepsLeases, "leases_run_out"),
    (SaysItIsDurable, "a_study_that_outlives_its_process_is_looked_after"),
    (LosesWhatWasBefore, "exactly_what_is_durable_is_there_when_it_is_opened_again"),
    (KeepsThatItIsDurable, "exactly_what_is_durable_is_there_when_it_is_opened_again"),
    (Forgetful, "two_handles_see_one_log"),
    (Forgetful, "two_handles_claim_a_trial_once"),
]


class Sabotaged(StorageSuite):
    __test__ = False

    def reopen(self, storage):
        if isinstance(storage, KeepsThatItIsDurable):
            return storage.twin()
        return type(storage)() if isinstance(storage, (Forgetful, LosesWhatWasBefore)) else storage


@pytest.mark.parametrize(("broken", "check"), SABOTAGE)
def test_the_suite_catches(broken, check):
    with pytest.raises((AssertionError, pytest.fail.Exception, LookupError, StorageError)):
        getattr(Sabotaged(), f"test_{check}")(broken())


def test_each_check_has_a_saboteur():
    checks = {name.removeprefix("test_") for name in dir(StorageSuite) if name.startswith("test_")}
    assert checks == {check for _, check in SABOTAGE}


# URLs.


def test_urls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_storage(None), MemoryStorage)
    assert isinstance(open_storage("sqlite:///:memory:"), MemoryStorage)
    assert open_storage("sqlite:///rel.db").path == str(tmp_path / "rel.db")
    assert open_storage(f"sqlite:///{tmp_path}/abs.db").path == str(tmp_path / "abs.db")
    assert open_storage("plain.sqlite").path == str(tmp_path / "plain.sqlite")
    assert isinstance(open_storage(tmp_path / "path.db"), SQLiteStorage)
    mine = MemoryStorage()
    assert open_storage(mine) is mine
    for storage in (mine, SQLiteStorage("x.db")):
        assert open_storage(storage.url).url == storage.url


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("mysql://host/db", UnknownName, "sqlite:///study.db; a package may bring others"),
        ("sqllite:///x.db", UnknownName, "did you mean 'sqlite'"),
        ("study", InvalidInput, "sqlite:///study.db"),
        ("sqlite://x.db", InvalidInput, "three slashes"),
        ("memory://mine", InvalidInput, "pass a MemoryStorage"),
        (17, InvalidInput, "storage=17"),
        (MemoryStorage, InvalidInput, "storage=<class"),
    ],
)
def test_urls_that_mean_nothing(url, error, words):
    with pytest.raises(error, match=words):
        open_storage(url)
