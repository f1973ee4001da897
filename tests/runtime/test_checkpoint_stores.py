import pytest

from kilter.runtime.bucket import Bucket
from kilter.runtime.folders import Folders
from kilter.testing.checkpoints import CheckpointStoreSuite


class TestFolders(CheckpointStoreSuite):
    def store(self, root, machine):
        return Folders(root / "kept")


class TestBucket(CheckpointStoreSuite):
    def store(self, root, machine):
        pytest.importorskip("fsspec")
        return Bucket(f"file://{root}/there", root / machine)
