"""What all tests share, the examples in docstrings included."""

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings

os.environ.setdefault("KERAS_BACKEND", "torch")  # before anybody imports Keras, which else reads the user's settings

# Under nohup, or in the background of a script, these are ignored, and so they are in every program that a test starts.
for name in ("SIGHUP", "SIGINT"):
    if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)

# Nor do the tests find the storage, the server or the cluster that whoever runs them works with.
for name in list(os.environ):
    if name.startswith(("KILTER_", "RAY_", "DASK_", "PG")) and name != "KILTER_BENCH":
        del os.environ[name]

os.environ["KILTER_TRANSFER"] = "0"  # a study learns from those of its storage only where a test is about that

# A machine that is busy is no failure: Hypothesis times neither a law nor the drawing of its examples.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

TESTS = Path(__file__).parent / "tests"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path):
    """Look for examples in src alone: a test module that could not be imported for them would be skipped, not fail."""
    found = yield
    return [each for each in found if not (isinstance(each, DoctestModule) and TESTS in file_path.parents)]


@pytest.fixture(scope="session", autouse=True)
def _what_is_killed_leaves_nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary folders of processes that tests kill, which cannot remove them, go with the session."""
    tmp_path_factory.getbasetemp()  # is where it was, and is kept for a look
    with (
        tempfile.TemporaryDirectory(prefix="kilter-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        os.chmod(folder, 0o711)  # servers run as another user where we are root
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="module", autouse=True)
def _whatever_was_imported_stays() -> None:
    """Libraries collect garbage after each training, and look through all of themselves, unless it is put aside."""
    gc.collect()
    gc.freeze()
