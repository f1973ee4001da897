"""Files that were cut off or had a bit flipped: what is read of them is what was written, or an error in words."""

import os
import random
import shutil
import tempfile

import pytest

import kilter
from kilter import replay
from kilter.core.errors import KilterError, StorageError
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.storage import created

NAME, TRIALS = "s", 25


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The path of a file with a study, of which the last trials are in the -wal alone, and what is in its log."""
    path = tmp_path_factory.mktemp("whole") / "k.db"
    for merged in (True, False):
        storage = SQLiteStorage(path)
        study = kilter.create_study(
            storage=storage, study_name=NAME, space={"x": kilter.Float(0, 1)}, sampler="random", seed=0,
            load_if_exists=True,
        )  # fmt: skip
        study.optimize(objective, n_trials=TRIALS, progress="none")
        study.close()
        if merged:
            storage.close()
    log = storage.read(1)
    kept = tmp_path_factory.mktemp("kept")
    for name in os.listdir(path.parent):
        if not name.endswith("-shm") and os.path.isfile(path.parent / name):
            shutil.copy(path.parent / name, kept / name)
    storage.close()
    return kept / "k.db", log


def objective(x, trial):
    trial.report(x, 1)
    return x


def copied(path, folder):
    """The file with its -wal in another folder."""
    for ending in ("", "-wal"):
        shutil.copy(f"{path}{ending}", folder / f"k.db{ending}")
    return folder / "k.db"


def read(path):
    """The log of the study in a file, in a storage that is then closed; raises KilterError."""
    storage = SQLiteStorage(path)
    try:
        return storage.read(1)
    finally:
        storage.close()


def outcome(path):
    """Whatever a user would get to see, in words; raises what is no error of kilter's."""
    try:
        log = replay.read(NAME, SQLiteStorage(path))
    except KilterError as error:
        assert len(str(error)) > 20
        return None
    return log.replica.history


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_a_file_that_was_cut_off(tmp_path, whole, ending):
    """At any length what is left is an error, or the beginning of the log."""
    source, log = whole
    size = os.path.getsize(f"{source}{ending}")
    cuts = [0, 1, 16, 100, *range(512, size, 4096 + 512), size - 1]
    read_on = 0
    for cut in cuts:
        path = copied(source, tmp_path)
        os.truncate(f"{path}{ending}", cut)
        try:
            found = read(path)
        except StorageError:
            continue
        read_on += 1
        assert found == log[: len(found)]
    assert (read_on == len(cuts)) is (ending == "-wal")  # whose frames have checksums


def test_a_bit_that_flipped_in_what_was_written_last(tmp_path, whole):
    """The -wal has checksums: what comes before the bit is there, and nothing that nobody wrote."""
    source, log = whole
    chance = random.Random(0)
    size = os.path.getsize(f"{source}-wal")
    for _ in range(40):
        path = copied(source, tmp_path)
        flip(f"{path}-wal", chance.randrange(8 * size))
        found = read(path)
        assert found == log[: len(found)] and len(found) > 50


def test_a_bit_that_flipped(tmp_path, whole):
    """The file itself has no checksums: a number may have changed, but nothing crashes, hangs or goes on half read."""
    source, log = whole
    chance = random.Random(1)
    size = os.path.getsize(source)
    differ = 0
    for _ in range(80):
        path = copied(source, tmp_path)
        flip(path, chance.randrange(8 * size))
        try:
            found = read(path)
        except StorageError:
            continue
        assert [position for position, _ in found] == list(range(1, len(found) + 1))
        differ += found != log
        outcome(path)
    assert differ < 80 / 2


def flip(path, bit):
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


NOBODY = 65534


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_a_folder_that_cannot_be_written(exists):
    """Says so, and what to do; the permissions of root do not count, so it is somebody else who tries."""
    folder = tempfile.mkdtemp(prefix="kilter-")
    path = os.path.join(folder, "k.db")
    try:
        if exists:
            storage = SQLiteStorage(path)
            storage.create("a", created())
            storage.close()
        os.chmod(folder, 0o555)
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            try:
                said = str(SQLiteStorage(path).studies())
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writer, said.encode())
            os._exit(0)
        os.waitpid(child, 0)
        said = os.read(reader, 10_000).decode()
        assert said.startswith("StorageError") and ("permissions" in said or "make the file and its folder" in said)
    finally:
        os.chmod(folder, 0o755)
        shutil.rmtree(folder)
