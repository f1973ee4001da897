"""What a store of checkpoints has to do, as pytest checks."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from kilter.core.interfaces import CheckpointStore
from kilter.objective.contents import contents_of, seal_of_file

FILES = {"state": b"1", "more/large file é": b"2" * 100_000, "empty": b""}


def write(directory: str | None, files: dict[str, bytes]) -> str:
    """Have these files in a directory that an attempt was given."""
    assert directory is not None
    for path, content in files.items():
        place = os.path.join(directory, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content)
    return directory


def files_of(directory: str | None) -> dict[str, bytes]:
    """What a directory holds."""
    assert directory is not None
    return {path: Path(directory, path).read_bytes() for path in contents_of(directory)}


class CheckpointStoreSuite:
    """Subclass it with a `store`, and pytest checks that studies can keep their checkpoints there.

    `store(root, machine)` is a store in or below an empty folder of the test's. Two of one root share what they keep;
    two machines share nothing else, where the store is one that machines can share.
    """

    def store(self, root: Path, machine: str) -> CheckpointStore:
        """What is under test; see the class."""
        raise NotImplementedError

    @pytest.fixture
    def one(self, tmp_path: Path) -> CheckpointStore:
        """The store of one machine."""
        return self.store(tmp_path, "one")

    @pytest.fixture
    def other(self, tmp_path: Path) -> CheckpointStore:
        """That of another."""
        return self.store(tmp_path, "other")

    def test_a_new_one_is_empty(self, one: CheckpointStore) -> None:
        assert one.is_empty() and one.attempts(0) == []
        assert not os.path.isdir(one.begin(0, 1) or ""), "who saves makes the directory"
        assert not one.drop(0) and not one.drop(0, 1)

    def test_what_an_attempt_has_left_another_begins_with(self, one: CheckpointStore, other: CheckpointStore) -> None:
        write(one.begin(0, 1), FILES)
        one.keep(0, 1)
        assert not other.is_empty() and other.attempts(0) == [1] == one.attempts(0)
        for store, number, attempt in ((one, 0, 2), (other, 0, 3), (other, 7, 1)):
            assert files_of(store.begin(number, attempt, (0, 1))) == FILES
        assert files_of(other.directory(0, 1)) == FILES

    def test_to_begin_twice_changes_nothing(self, one: CheckpointStore) -> None:
        write(one.begin(0, 1), FILES)
        one.keep(0, 1)
        write(one.begin(0, 2, (0, 1)), {"state": b"later"})
        assert files_of(one.begin(0, 2, (0, 1)))["state"] == b"later" == files_of(one.begin(0, 2))["state"]

    def test_what_is_sealed_does_not_change(self, one: CheckpointStore, other: CheckpointStore) -> None:
        write(one.begin(0, 1), FILES)
        one.keep(0, 1)
        directory = write(one.begin(0, 2, (0, 1)), {"state": b"later"})
        with open(os.path.join(directory, "empty"), "ab") as file:
            file.write(b"appended")
        one.keep(0, 2)
        assert files_of(one.directory(0, 1)) == FILES == files_of(other.begin(9, 1, (0, 1)))

    def test_what_is_kept_while_an_attempt_runs_is_replaced(self, one: CheckpointStore, other: CheckpointStore) -> None:
        for version in (b"1", b"2", b"3"):
            directory = write(one.begin(0, 1), {"state": version})
            one.keep(0, 1)
            assert files_of(directory) == {"state": version}, "who runs goes on in its directory"
            assert files_of(other.directory(0, 1)) == {"state": version}
        assert other.attempts(0) == [1]

    def test_what_is_dropped_is_gone(self, one: CheckpointStore, other: CheckpointStore) -> None:
        for number, attempt in ((0, 1), (0, 2), (1, 1)):
            write(one.begin(number, attempt), FILES)
            one.keep(number, attempt)
        assert other.drop(0, 1) and one.attempts(0) == [2]
        assert one.begin(5, 1, (0, 1)) is None
        assert other.drop(0) and other.attempts(0) == [] and one.begin(5, 1, (0, 2)) is None
        assert other.attempts(1) == [1] and files_of(other.begin(5, 1, (1, 1))) == FILES

    def test_an_artifact_is_there_at_once_and_goes_with_its_trial(
        self, one: CheckpointStore, other: CheckpointStore, tmp_path: Path
    ) -> None:
        path = tmp_path / "plot"
        seals = []
        for content in (b"first", b"second"):
            path.write_bytes(content)
            seals.append(seal_of_file(str(path)))
            one.add(3, "plots/roc é.svg", seals[-1], str(path))
        path.write_bytes(b"of the user's")
        assert other.attempts(3) == []
        for seal, content in zip(seals, (b"first", b"second")):
            assert Path(other.artifact(3, "plots/roc é.svg", seal)).read_bytes() == content
        assert one.drop(3)
        fresh = self.store(tmp_path, "fresh")
        with pytest.raises(OSError):  # noqa: PT011 - whatever the store says
            Path(fresh.artifact(3, "plots/roc é.svg", seals[0])).read_bytes()

    def test_sweeping_leaves_what_is_whole(self, one: CheckpointStore) -> None:
        write(one.begin(0, 1), FILES)
        one.keep(0, 1)
        write(one.begin(1, 1), FILES)
        one.sweep()
        assert files_of(one.begin(0, 2, (0, 1))) == FILES == files_of(one.begin(1, 1))

    def test_it_goes_to_where_trials_run(self, one: CheckpointStore) -> None:
        sent: CheckpointStore = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
        write(sent.begin(0, 1), FILES)
        sent.keep(0, 1)
        assert one.attempts(0) == [1] and files_of(one.directory(0, 1)) == FILES

    def test_what_a_trial_prints_has_a_file_of_this_machine(self, one: CheckpointStore) -> None:
        path = Path(one.log(3))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("printed")
        assert Path(one.log(3)).read_text() == "printed"
