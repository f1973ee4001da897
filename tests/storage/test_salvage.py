"""What is saved of an SQLite file that is torn, truncated or garbled: all that is whole, and nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.cli.conftest import kilter

import kilter as package
from kilter import Float, TrialState, create_study, load_study
from kilter.api import check_file, check_study
from kilter.cli import group
from kilter.core.errors import InvalidInput, StorageDamaged
from kilter.storage import repair
from kilter.storage.salvage import salvage
from kilter.storage.sqlite import SQLiteStorage

PAGE = 4096

Rows = dict[tuple[int, int], tuple[object, ...]]


def written(path: Path, merged: bool) -> None:
    """Two studies, one of which has more in an event than a page holds; a third one was removed."""
    storage = SQLiteStorage(path)
    for name in ("one", "gone", "two"):
        study = create_study(storage=storage, study_name=name, space={"x": Float(0, 1)}, sampler="random", seed=0)
        study.set_user_attr("large", name * 5_000)
        study.optimize(lambda x, trial: trial.report(x, 1) or x, n_trials=30, progress="none")
        study.close()
    assert storage._connection is not None
    storage._connection.execute("PRAGMA secure_delete = OFF")  # what was removed stays, in free pages
    package.delete_study(study_name="gone", storage=storage)
    if merged:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        storage.close()
    else:
        for ending in ("", "-wal"):  # as a machine leaves it that loses its power
            shutil.copy(f"{path}{ending}", f"{path}.left{ending}")
        storage.close()
        for ending in ("", "-wal"):
            shutil.move(f"{path}.left{ending}", f"{path}{ending}")


def kept(path: Path) -> Rows:
    """The rows as SQLite has them."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT study, position, kind, number, attempt, time, body FROM event")
        return {row[:2]: row[2:] for row in rows}


def saved(path: Path) -> Rows:
    """The rows that are found without it."""
    return {
        (study, position): (row.kind, row.number, row.attempt, row.time, row.body)
        for study, rows in salvage(str(path)).logs.items()
        for position, row in rows.items()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    path = tmp_path_factory.mktemp("whole") / "k.db"
    written(path, merged=True)
    return path, kept(path)


@pytest.fixture
def torn(whole: tuple[Path, Rows], tmp_path: Path) -> Iterator[Path]:
    return shutil.copy(whole[0], tmp_path / "k.db")


@pytest.mark.parametrize("merged", [True, False])
def test_of_a_file_that_is_whole_it_finds_what_sqlite_finds(tmp_path: Path, merged: bool) -> None:
    path = tmp_path / "k.db"
    written(path, merged)
    found, names = saved(path), salvage(str(path)).names
    assert found == kept(path) and salvage(str(path)).bad == 0
    assert {study: name for study, (name, _) in names.items()} == {1: "one", 3: "two"}


@given(end=st.integers(0, 200 * PAGE))
@example(end=16)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_a_file_that_was_cut_it_finds_what_lies_before_the_cut(
    whole: tuple[Path, Rows], tmp_path: Path, end: int
) -> None:
    path, rows = whole
    data = path.read_bytes()
    cut = tmp_path / "cut.db"
    cut.write_bytes(data[: end % len(data)])
    found = saved(cut)
    assert {key: row for key, row in found.items() if key[0] != 2}.items() <= rows.items()  # free pages may be unknown
    cut.write_bytes(data[: end % len(data) + PAGE])
    assert found.keys() & rows.keys() <= saved(cut).keys()  # a longer piece has no less


@given(place=st.integers(0, 200 * PAGE), garbage=st.binary(min_size=1, max_size=PAGE))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_where_bytes_are_garbled_other_pages_are_read(
    whole: tuple[Path, Rows], tmp_path: Path, place: int, garbage: bytes
) -> None:
    path, rows = whole
    data = bytearray(path.read_bytes())
    at = place % len(data)
    data[at : at + len(garbage)] = garbage
    garbled = tmp_path / "garbled.db"
    garbled.write_bytes(bytes(data))
    found = saved(garbled)
    same = {key for key, row in found.items() if rows.get(key) == row}
    most = max(len(rows) // 3, 1)  # of three pages and a chain: the two that are hit, and what goes on there
    assert len(rows) - len(same) <= most


def test_a_log_of_changes_counts_up_to_where_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    written(path, merged=False)
    whole, wal = kept_of_copy(path, tmp_path), path.with_name("k.db-wal")
    data = wal.read_bytes()
    assert len(data) > 20 * PAGE
    for end in range(0, len(data), len(data) // 8):
        wal.write_bytes(data[:end])
        assert saved(path) == kept_of_copy(path, tmp_path)
    middle = bytearray(data)
    middle[32 + 5 * (24 + PAGE) + 100] ^= 0x40  # in the sixth page of it
    wal.write_bytes(bytes(middle))
    assert saved(path) == kept_of_copy(path, tmp_path) != whole


def kept_of_copy(path: Path, folder: Path) -> Rows:
    """What SQLite makes of a file and the log of changes beside it, which stay as they are."""
    for ending in ("", "-wal"):
        shutil.copy(f"{path}{ending}", folder / f"copy.db{ending}")
    (folder / "copy.db-shm").unlink(missing_ok=True)
    try:
        return kept(folder / "copy.db")
    except sqlite3.OperationalError:  # there is no table yet
        return {}


def test_a_torn_file_goes_on_in_a_new_one(torn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(torn.parent)
    data = torn.read_bytes()
    torn.write_bytes(data[: len(data) * 3 // 5])
    with pytest.raises(StorageDamaged, match=r"kilter check --storage sqlite:///\S+ --repair"):
        check_study(study_name="one", storage=str(torn))
    before = torn.read_bytes()
    looked = kilter("check", "--storage", "k.db")
    assert looked.exit_code == group.STORAGE and "of one" in looked.stdout and "saved in" not in looked.stdout
    mended = kilter("check", "--storage", "k.db", "--repair")
    assert mended.exit_code == 0 and "saved in" in mended.stdout and mended.stderr == ""
    assert torn.read_bytes() == before
    (new,) = torn.parent.glob("k.repaired-*.db")
    study = load_study(study_name="one", storage=str(new))
    complete = [trial.number for trial in study.trials if trial.state is TrialState.COMPLETE]
    assert len(complete) > 10
    study.optimize(lambda x, trial: x, n_trials=5, progress="none", if_changed="continue")
    assert check_study(study_name="one", storage=str(new)).lost == []
    assert check_file(storage=str(torn)).new is None


def test_where_an_index_is_damaged_the_file_is_written_anew(torn: Path) -> None:
    with closing(sqlite3.connect(torn)) as connection:
        [root] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event_identity'").fetchone()
    data = bytearray(torn.read_bytes())
    data[(root - 1) * PAGE : root * PAGE] = bytes(PAGE)
    torn.write_bytes(bytes(data))
    with pytest.raises(StorageDamaged):
        check_study(study_name="one", storage=str(torn))
    found = check_file(storage=str(torn), repair=True)
    assert [(log.study, log.lost) for log in found.studies] == [("one", []), ("two", [])]
    assert found.new is not None and kept(Path(found.new)) == saved(torn)


def test_what_no_event_is_left_of(tmp_path: Path, torn: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database at all\n" * 1000)
    nothing = kilter("check", "--storage", str(text), "--repair")
    assert nothing.exit_code == group.STORAGE and "no event of a study" in nothing.stdout
    with pytest.raises(InvalidInput, match="no SQLite file"):
        check_file(storage="memory://")
    headless = torn.read_bytes()
    torn.write_bytes(bytes(PAGE) + headless[PAGE:])
    assert {log.study for log in check_file(storage=str(torn)).studies} == {"one", "two"}


def test_a_study_whose_beginning_is_lost_is_named(torn: Path) -> None:
    with closing(sqlite3.connect(torn, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM event WHERE study = 1 AND position = 1")
        connection.execute("DELETE FROM study WHERE id = 3")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = check_file(storage=str(torn))
    assert [log.study for log in found.studies] == ["recovered-3"]
    assert [line.partition(":")[0] for line in found.lost] == ["one"]


def test_an_empty_file_beside_what_is_to_go_into_it_is_not_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    written(path, merged=False)
    path.write_bytes(b"")
    with pytest.raises(StorageDamaged, match="is cut off, but"):
        SQLiteStorage(path)
    assert path.with_name("k.db-wal").exists()
    assert "two" in {log.study for log in check_file(storage=str(path)).studies}


def test_a_repair_never_takes_the_name_of_a_file_that_is_there(torn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(repair.datetime):
        @classmethod
        def now(cls, tz: object = None) -> Stopped:
            return cls(2026, 1, 2)

    monkeypatch.setattr(repair, "datetime", Stopped)
    made = {check_file(storage=str(torn), repair=True).new for _ in range(2)}
    assert len(made) == 2
