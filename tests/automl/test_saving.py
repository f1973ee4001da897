"""A file comes back as what went in, to the last bit; whatever else a file holds is refused, and nothing in it runs."""

from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from kilter.automl.saving import FORMAT, HEAD, SUMS, _sum, read, write
from kilter.automl.state import State
from kilter.core.errors import InvalidInput

NAMES = st.text(st.characters(), min_size=1, max_size=8)  # surrogates as well, as data may have them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
ARRAYS = nps.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_, "U5"]), nps.array_shapes(min_dims=0, min_side=0)
)
STATES = st.builds(
    State,
    st.dictionaries(NAMES, JSON, max_size=3),
    st.dictionaries(NAMES, ARRAYS, max_size=2),
    st.dictionaries(NAMES, st.text(), max_size=2),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saving")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    state = State(
        {"weights": [0.25, 0.75]}, {"fold 0/W": np.arange(12.0).reshape(3, 4)}, {"fold 0/booster": "tree\n" * 99}
    )
    write(tmp_path / "model.zip", state, "model")
    return tmp_path / "model.zip"


def refused(path: Path, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        read(path, "model")


def rewritten(path: Path, **changes: bytes) -> None:
    """The file with other members, and sums that fit them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != SUMS} | changes
    sums = "".join(f"{_sum(data)}  {name}\n" for name, data in members.items()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {SUMS: sums, **members}.items():
            archive.writestr(name, data)


@given(state=STATES)
def test_what_is_written_comes_back(folder: Path, state: State) -> None:
    write(folder / "any.zip", state, "model")
    back = read(folder / "any.zip", "model")
    assert (back.values, back.texts) == (state.values, state.texts)
    assert back.arrays.keys() == state.arrays.keys()
    for name, array in state.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == array.tobytes()


@given(parts=st.dictionaries(NAMES.filter(lambda name: "/" not in name), STATES, max_size=3))
def test_parts_of_a_state_come_apart_again(parts: dict[str, State]) -> None:
    whole = State.of(parts)
    for name, part in parts.items():
        assert whole.part(name).values == part.values
        assert whole.part(name).texts == part.texts
        assert {key: array.tobytes() for key, array in whole.part(name).arrays.items()} == {
            key: array.tobytes() for key, array in part.arrays.items()
        }


def test_the_same_state_makes_the_same_bytes(saved: Path) -> None:
    before = saved.read_bytes()
    write(saved, read(saved, "model"), "model")
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]  # and nothing unfinished stays


def test_no_object_goes_into_a_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'levels' holds object"):
        write(tmp_path / "model.zip", State(arrays={"levels": np.array([None])}), "model")
    assert not list(tmp_path.iterdir())


def test_another_kind_and_a_newer_format_are_named(saved: Path) -> None:
    with pytest.raises(InvalidInput, match="no fold that kilter has saved: it holds a model"):
        read(saved, "fold")
    rewritten(saved, **{HEAD: json.dumps({"format": FORMAT + 1, "kilter": "9.0"}).encode()})
    refused(saved, rf"saved by kilter 9.0 in format {FORMAT + 1}; this is .* update kilter")


def test_fuzzed_files_are_read_or_refused(saved: Path) -> None:
    whole, chance = saved.read_bytes(), random.Random(0)
    before = read(saved, "model")
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        saved.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            after = read(saved, "model")  # a change of what stands in none of its members
        except InvalidInput:
            continue
        assert (after.values, after.texts) == (before.values, before.texts)
        assert after.arrays["fold 0/W"].tobytes() == before.arrays["fold 0/W"].tobytes()


def test_a_changed_an_added_and_a_missing_member_are_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    added = members | {"more.txt": b""}
    missing = {name: data for name, data in members.items() if not name.endswith(".npy")}
    changed = {name: data.replace(b"tree", b"free") for name, data in members.items()}
    for others in (added, missing, changed):
        with zipfile.ZipFile(saved, "w") as archive:
            for name, data in others.items():
                archive.writestr(name, data)
        refused(saved, "not those of SHA256SUMS")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


def test_a_pickle_is_refused_and_not_executed(saved: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    rewritten(saved, **{"arrays/W.npy": file.getvalue()})
    refused(saved, "more than their bytes")
    saved.write_bytes(pickle.dumps(Bomb()))
    refused(saved, "not a zip file")


def test_what_would_unpack_to_too_much_is_refused_before_it_does(saved: Path) -> None:
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("texts/bomb.txt", b"0" * 10**6)
    with pytest.raises(InvalidInput, match="more than 100,000 bytes"):
        read(saved, "model", most=10**5)


def test_what_is_no_part_of_a_model_is_refused(saved: Path) -> None:
    rewritten(saved, **{"../../evil": b"x"})
    refused(saved, r"it also holds \.\./\.\./evil")
