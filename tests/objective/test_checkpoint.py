import copy
import json
import os
import random
import threading
import tracemalloc
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kilter.core.errors import InvalidInput
from kilter.objective import checkpoint
from kilter.objective.checkpoint import FILE, load, save

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


# What anybody may have written.


HOSTILE_DTYPES = [
    "'|O'",
    "'O8'",
    "[('a', '|O')]",
    "('|O', (1,))",
    "[('a', [('b', '|O')])]",
    "'T'",
    "(",
    "-" * 60_000 + "1",
]


def archive(path, structure, members=(), compression=zipfile.ZIP_STORED):
    text = structure if isinstance(structure, (bytes, str)) else json.dumps({"format": 1, "state": structure})
    with zipfile.ZipFile(path / FILE, "w", compression) as made:
        made.writestr("state.json", text)
        for i, data in enumerate(members):
            made.writestr(f"{i}.npy", data)


def npy(descr, shape, data=b""):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def refused(path):
    """That it is a warning and nothing, and takes no memory to speak of."""
    tracemalloc.start()
    with pytest.warns(UserWarning, match="starts from the beginning") as caught:
        assert load(str(path)) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught[0].message).isprintable()
    return peak < 100_000_000


@pytest.mark.parametrize("descr", HOSTILE_DTYPES)
def test_a_scalar_is_its_bytes_and_never_a_pointer(tmp_path, descr):
    archive(tmp_path, {"scalar": [descr, "4141414141414141"]})
    assert refused(tmp_path)


@pytest.mark.parametrize("descr", HOSTILE_DTYPES)
def test_an_array_is_its_bytes_and_never_a_pointer(tmp_path, descr):
    archive(tmp_path, {"array": 0}, [npy(descr, "(1,)", b"A" * 8)])
    assert refused(tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        npy("'<f8'", "(1000000000,)", b"A" * 8),
        npy("'<f8'", "(-1,)", b"A" * 8),
        npy("'<f8'", "(1, 1000000000, 0)", b"A" * 8),
        npy("'|V1000000000'", "()", b"A" * 8),
        npy("'|V0'", "(1000000000,)"),
        npy("'|S0'", "(1000000000,)"),
        npy("'<U0'", "(1000000000,)"),
        npy("('<f8', (1000000000,))", "(1,)", b"A" * 8),
        npy("'<f8'", "(True,)", b"A" * 8),
        npy("'<f8'", "-" * 60_000 + "1", b"A" * 8),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        b"",
    ],
    ids=range(12),
)
def test_no_array_is_larger_than_its_file(tmp_path, member):
    archive(tmp_path, {"array": 0}, [member])
    assert refused(tmp_path)


def test_no_structure_is_much_larger_than_its_file(tmp_path):
    ten = npy("'|u1'", "(10000000,)", bytes(10_000_000))
    zeros = '{"format": 1, "state": [' + "0," * 20_000_000 + "0]}"
    for structure, members, compression in [
        (zeros, [], zipfile.ZIP_DEFLATED),
        ({"bytes": 0}, [ten], zipfile.ZIP_DEFLATED),
        ([{"bytes": 0}] * 1_000, [ten], zipfile.ZIP_STORED),
        ({"tuple": {"array": 0}}, [ten], zipfile.ZIP_STORED),
        ({"dict": {"array": 0}}, [ten], zipfile.ZIP_STORED),
    ]:
        archive(tmp_path, structure, members, compression)
        assert refused(tmp_path)


def test_members_that_lie_on_one_another_are_refused(tmp_path):
    archive(tmp_path, {"array": 0}, [npy("'|u1'", "(1000000,)", bytes(1_000_000))])
    path = tmp_path / FILE
    with zipfile.ZipFile(path, "a") as made:
        for i in range(1, 500):
            other = copy.copy(made.getinfo("0.npy"))
            other.filename = other.orig_filename = f"{i}.npy"
            made.filelist.append(other)
            made._didModify = True
    assert path.stat().st_size < 1_200_000
    assert refused(tmp_path)


MARKS = ["dict", "tuple", "array", "bytes", "int", "scalar", "str_", "bytes_", "ordered", "counter", "format"]
JUNK = st.recursive(
    st.none()
    | st.integers(-1, 3)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([*HOSTILE_DTYPES, "41" * 8, "0x1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MARKS), inner, min_size=1, max_size=1),
    max_leaves=10,
)
HEADERS = st.builds(
    npy,
    st.sampled_from(HOSTILE_DTYPES)
    | st.sampled_from(["'<f8'", "'|S0'", "'<f4'", "'|u1'", "'<U2'", "'<M8[s]'", "'|b1'", "'<c16'"]),
    st.sampled_from(
        ["()", "(1,)", "(2, 2)", "(8,)", "(-1,)", "8", "('a',)", "(10**9,)", "(1000000000,)", "(0, 1000000000)"]
    ),
    st.binary(max_size=16),
)


@given(structure=JUNK, members=st.lists(HEADERS | st.binary(max_size=20), max_size=3))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_the_file_it_is_a_state_or_a_warning(tmp_path, structure, members):
    archive(tmp_path, structure, members)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracemalloc.start()
        found = load(str(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    repr(found)  # which looks at every byte of it
    assert peak < 20_000_000
