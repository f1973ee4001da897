"""What is remembered: made once, bounded, the oldest gone first."""

import copy
import pickle

from hypothesis import given
from hypothesis import strategies as st

from kilter.core import memo
from kilter.core.memo import Memo


@given(st.lists(st.integers(0, 12)), st.integers(1, 6))
def test_a_value_is_what_it_would_be_without_a_memory(keys, most):
    known, made = Memo(most), []
    for key in keys:
        assert known.of(key, lambda key=key: made.append(key) or key * key) == key * key
        assert len(known) <= most
    if len(set(keys)) <= most:
        assert len(made) == len(set(keys)), "each once"


def test_the_oldest_go():
    known = Memo(2)
    for key in "abc":
        known.of(key, key.upper)
    assert known.of("c", lambda: "again") == "C"
    assert known.of("a", lambda: "again") == "again"


def test_none_is_remembered_too():
    known = Memo()
    assert known.of("key", lambda: None) is known.of("key", lambda: 1)


def test_copies_begin_empty():
    known = Memo(5)
    known.of("key", lambda: lambda: None)
    for other in (copy.copy(known), copy.deepcopy(known), pickle.loads(pickle.dumps(known))):
        assert len(other) == 0
        assert other.most == 5
    assert len(known) == 1
    assert memo.MOST > 0
