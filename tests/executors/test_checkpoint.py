import os
import random
import threading
import warnings
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kilter.core.errors import InvalidInput
from kilter.executors import checkpoint
from kilter.executors.checkpoint import FILE, load, save

DTYPES = st.one_of(
    npst.scalar_dtypes(),
    npst.byte_string_dtypes(),
    npst.unicode_string_dtypes(),
    npst.array_dtypes(npst.integer_dtypes() | npst.floating_dtypes(), max_size=3, allow_subarrays=True),
)
ARRAYS = DTYPES.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0)))
TEXT = st.text(st.characters(), max_size=8)  # lone surrogates too
KEYS = st.one_of(TEXT, st.integers(), st.booleans(), st.none(), st.binary(max_size=4), st.tuples(st.integers(), TEXT))
LEAVES = st.one_of(
    KEYS,
    st.integers(-(2**200), 2**200),
    st.floats(),
    ARRAYS,
    ARRAYS.map(np.transpose),
    ARRAYS.filter(lambda array: array.size > 0).map(lambda array: array.flat[0]),
)
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(st.integers(0, 3), inner, max_size=4)
    ),
    max_leaves=8,
)


def same(a, b):
    """Whether both are equal to the bit and the type, and arrays also lie in memory in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return same([*a.items()], [*b.items()])
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        orders = [(x.flags.c_contiguous, x.flags.f_contiguous) for x in (a, b)]
        in_order = orders[0] == orders[1] or not any(orders[0])  # of a transposed cube, say, only the values are kept
        return in_order and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, np.generic):
        return (a.dtype, a.tobytes()) == (b.dtype, b.tobytes())
    if isinstance(a, int):
        return a == b
    return repr(a) == repr(b)  # tells -0.0 from 0.0, and says nan for nan


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return str(tmp_path_factory.mktemp("checkpoint"))


@given(state=STATES)
def test_a_state_comes_back_with_types_and_bits(directory, state):
    save(directory, state)
    assert same(load(directory), state)
    assert os.listdir(directory) == [FILE]


@pytest.mark.parametrize(
    "state",
    [
        {1: "int", "1": "str", False: 2, None: 3, (1, "a"): 4},
        [float("nan"), float("-inf"), -0.0, 5e-324, 10**5000, -(2**64)],
        random.Random(1).getstate(),
        np.random.default_rng(1).bit_generator.state,
        [np.float64("nan"), np.bool_(True), np.str_("a\0"), np.bytes_(b"a\0"), np.datetime64("2020-01-01", "ns")],
        np.zeros((0, 3), dtype=">f4"),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.zeros(2, dtype=[(f"field {i}", "f8") for i in range(1000)]),
        {"dict": {"array": 0, "format": 1, "tuple": []}},
        ["\ud83d\ude00", "\ud83d" + "\ude00"],
        b"",
        {},
        OrderedDict([("b", np.zeros(2)), ("a", OrderedDict())]),
        Counter({5: 1, 10: 2}),
    ],
    ids=range(14),
)
def test_cases_that_bite(tmp_path, state):
    save(str(tmp_path), state)
    assert same(load(str(tmp_path)), state)


def test_arrays_come_back_writable_and_the_file_is_one_of_numpys(tmp_path):
    save(str(tmp_path), {"weights": np.arange(3.0)})
    load(str(tmp_path))["weights"][0] = 7
    with np.load(tmp_path / FILE) as archive:
        assert archive["0"].tolist() == [0, 1, 2]
        assert b"weights" in archive["state.json"]


def test_nothing_saved_is_none(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(str(tmp_path)) is None
        assert load(str(tmp_path / "never made")) is None


class Tensor:
    pass


class Float(float):
    pass


@pytest.mark.parametrize(
    ("state", "place", "kind"),
    [
        ({"model": [1, {"weights": Tensor()}]}, "state['model'][1]['weights'] is", "Tensor"),
        ({"a": {3, 4}}, "state['a'] is", "a set"),
        ({Float(1): 0}, "the key 1.0 of state is", "Float"),
        ((defaultdict(int),), "state[0] is", "collections.defaultdict"),
        ([np.array([None])], "state[0] is", "dtype object"),
        ({"x": np.ma.zeros(3)}, "state['x'] is", "MaskedArray"),
        (np.zeros(1, {"names": ["a", "b"], "formats": ["f8", "i1"], "offsets": [0, 0]}), "state is", "dtype {"),
        (1j, "state is", "a complex"),
    ],
)
def test_what_it_cannot_hold_is_named_with_its_place(tmp_path, state, place, kind):
    save(str(tmp_path), "earlier")
    with pytest.raises(InvalidInput, match=r"trial\.checkpoint_dir") as caught:
        save(str(tmp_path), state)
    assert str(caught.value).startswith(place) and kind in str(caught.value)
    assert load(str(tmp_path)) == "earlier"


def test_what_holds_itself_is_refused(tmp_path):
    state = []
    state.append(state)
    with pytest.raises(InvalidInput, match="holds itself"):
        save(str(tmp_path), state)


@pytest.mark.parametrize("name", ["os.replace", "numpy.lib.format.write_array"])
def test_a_crash_in_the_middle_leaves_the_earlier_one(tmp_path, monkeypatch, name):
    def crash(*_, **__):
        raise KeyboardInterrupt

    save(str(tmp_path), {"epoch": 1})
    with monkeypatch.context() as patch:
        patch.setattr(name, crash)
        with pytest.raises(KeyboardInterrupt):
            save(str(tmp_path), {"epoch": np.array(2)})
    assert load(str(tmp_path)) == {"epoch": 1}
    assert os.listdir(tmp_path) == [FILE]


@given(data=st.data())
@settings(max_examples=200)
def test_damage_is_recognised_or_does_no_harm(directory, data):
    state = {"weights": np.arange(40.0), "epoch": 12}
    save(directory, state)
    path = os.path.join(directory, FILE)
    with open(path, "rb") as file:
        whole = file.read()
    if data.draw(st.booleans(), label="truncated"):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
        harmless = False
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
        harmless = True  # a time of the archive, say, is nobody's business
    with open(path, "wb") as file:
        file.write(damaged)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = load(directory)
    if found is None:
        assert len(caught) == 1 and "the trial starts from the beginning" in str(caught[0].message)
    else:
        assert harmless and same(found, state) and not caught


@pytest.mark.parametrize(("says", "less"), [(b"(4000,)", b"(3000,)"), (b"'<f8'", b"'<f4'")])
def test_a_header_that_says_less_is_recognised(tmp_path, says, less):
    save(str(tmp_path), np.arange(4000.0))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(says, less))
    with pytest.warns(UserWarning, match="starts from the beginning"):
        assert load(str(tmp_path)) is None


def test_a_dtype_that_numpy_would_save_as_another_one_is_refused(tmp_path, monkeypatch):
    # NumPy itself has none; ml_dtypes.bfloat16 is one.
    monkeypatch.setattr(np.lib.format, "dtype_to_descr", lambda dtype: "|V2")
    for state in (np.zeros(2, np.float16), np.float16(0)):
        with pytest.raises(InvalidInput, match="state is of NumPy's dtype float16"):
            save(str(tmp_path), state)


def test_another_version_is_not_guessed_at(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    save(str(tmp_path), 1)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="format 2 of another version"):
        assert load(str(tmp_path)) is None


def test_no_pickle_is_read(tmp_path):
    np.savez(tmp_path / "made.npz", state=np.array([Tensor()], dtype=object))
    os.rename(tmp_path / "made.npz", tmp_path / FILE)
    with pytest.warns(UserWarning, match="starts from the beginning"):
        assert load(str(tmp_path)) is None


def test_where_nothing_can_be_written_save_raises_and_load_reads(tmp_path):
    save(str(tmp_path), 1)
    os.chmod(tmp_path, 0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(PermissionError):
            save(str(tmp_path), 2)
        assert load(str(tmp_path)) == 1
    finally:
        os.chmod(tmp_path, 0o755)


def test_a_directory_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        save(str(tmp_path / "file"), 1)
    with pytest.warns(UserWarning, match="starts from the beginning"):
        assert load(str(tmp_path / "file")) is None


def test_threads_that_save_into_one_directory_leave_a_whole_one(tmp_path):
    def work(name):
        for i in range(20):
            save(str(tmp_path), [name, i, np.full(1000, i)])
            found = load(str(tmp_path))
            if found is None or set(found[2]) != {found[1]}:
                broken.append(found)

    broken = []
    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken
    assert os.listdir(tmp_path) == [FILE]
