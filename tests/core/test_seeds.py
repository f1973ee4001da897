import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.seeds import rng

WORDS = st.one_of(st.integers(0, 2**32 + 1), st.integers(2**32 - 2, 2**90), st.sampled_from([0, 2**32 - 1, 2**32]))


@given(seed=WORDS, number=WORDS, purpose=st.sampled_from(["random", "completion", ""]))
def test_a_stream_is_that_of_its_three_words(seed, number, purpose):
    words = (seed, zlib.crc32(purpose.encode()), number)
    expected = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
    assert rng(seed, purpose, number).random(3).tolist() == expected.random(3).tolist()
