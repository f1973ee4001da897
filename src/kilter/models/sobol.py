"""A scrambled Sobol sequence (Sobol 1967): even cover of the unit cube, and any point at once from its place.

| symbol | meaning | shape |
|---|---|---|
| `d` | dimensions | |
| `b` | binary digits of a number, `BITS` | |
| `directions` | direction numbers; row k is what bit k of a Gray-coded place contributes | `(b, d)` |
| `shift` | digital shift, one per dimension | `(d,)` |

The scrambling is Matousek's (1998, J. Complexity 14, 527-556): each dimension's digits are multiplied over GF(2) by a
random lower triangular matrix and shifted. That costs once per seed, where Owen's full scrambling costs per point, and
keeps what matters: each point is uniform, and any 2**k points from a multiple of 2**k on still fall into different
intervals of length 2**-k in every dimension.
"""

from __future__ import annotations

import base64
from functools import lru_cache

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.seeds import rng

BITS = 32
"""Binary digits per number, and of the longest sequence's length."""
DIMENSIONS = 256
"""As many as `_TABLE` holds; dimensions beyond are drawn at random, for few spaces are that wide."""


def points(seed: int, dimensions: int, start: int, count: int) -> np.ndarray:
    """Points `start` to `start + count - 1` of the scrambled sequence of `seed`, in [0, 1), shape (count, dimensions).

    The first dimensions are the same however many there are. Raises InvalidInput beyond 2**`BITS` points.

    >>> bool((points(7, 3, 0, 64)[40:] == points(7, 3, 40, 24)).all())
    True
    """
    directions, shift = _scrambled(seed, min(dimensions, DIMENSIONS))
    even: np.ndarray = (_combined(directions, start, count) ^ shift) / 2.0**BITS
    if dimensions <= DIMENSIONS:
        return even
    chance = [rng(seed, "sobol tail", place).random(dimensions - DIMENSIONS) for place in range(start, start + count)]
    return np.hstack([even, np.reshape(chance, (count, dimensions - DIMENSIONS))])


def _combined(directions: np.ndarray, start: int, count: int) -> np.ndarray:
    """The exclusive or of the direction numbers that the Gray code of each place names, shape (count, d)."""
    end = start + count
    if not 0 <= start <= end <= 2**BITS:
        raise InvalidInput(f"points {start} to {end - 1}: a Sobol sequence here has points 0 to {2**BITS - 1}")
    places = np.arange(start, end)
    codes = (places ^ (places >> 1)).astype(np.uint32)[:, None]
    rows = np.zeros((count, directions.shape[1]), np.uint32)
    for k in range((end - 1).bit_length()):
        rows ^= (codes >> np.uint32(k) & np.uint32(1)) * directions[k]
    return rows


@lru_cache(maxsize=16)
def _scrambled(seed: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Direction numbers times a random lower triangular matrix with ones on its diagonal, and a random shift."""
    drawn = rng(seed, "sobol").integers(2**BITS, size=(dimensions, BITS + 1), dtype=np.uint32)
    plain = _directions(dimensions)
    scrambled = np.zeros_like(plain)
    for digit in range(BITS):  # from the most significant one
        place = np.uint32(BITS - 1 - digit)
        one = np.uint32(1) << place
        column = drawn[:, digit] & (one - np.uint32(1)) | one
        scrambled ^= (plain >> place & np.uint32(1)) * column
    return scrambled, drawn[:, BITS]


@lru_cache(maxsize=16)
def _directions(dimensions: int) -> np.ndarray:
    """Direction numbers of the first dimensions by the recurrence of their primitive polynomials (Joe & Kuo 2008)."""
    table = f"{int.from_bytes(base64.b64decode(_TABLE), 'big'):0{len(_TABLE) * 6}b}"
    columns = [[1 << (BITS - k) for k in range(1, BITS + 1)]][:dimensions]  # van der Corput
    at = 0
    while len(columns) < dimensions:
        polynomial = int(table[at : at + _POLYNOMIAL], 2)
        at += _POLYNOMIAL
        degree = polynomial.bit_length() - 1
        column = []
        for k in range(1, degree + 1):
            half = int(table[at : at + k - 1] or "0", 2)  # the initial number is odd and below 2**k
            at += k - 1
            column.append((2 * half + 1) << (BITS - k))
        for k in range(degree, BITS):
            number = column[k - degree] ^ column[k - degree] >> degree
            for i in range(1, degree):
                if polynomial >> (degree - i) & 1:
                    number ^= column[k - i]
            column.append(number)
        columns.append(column)
    directions: np.ndarray = np.array(columns, np.uint32).reshape(dimensions, BITS).T
    return directions


_POLYNOMIAL = 12
"""Bits of a polynomial in the table: the degree is at most 11."""
_TABLE = (
    "ADAHgFwA0AJkgM7ASpQBSkQF7sgboAB2CoHuXgh2HgFselAwzbgGccxA2zswHNKfBB+2fMIn5jxBHnHF8JHQGNBOzJHUKeLfHhVqzR4LnETRBfvAkAMH"
    "pkuhlmY5QNPawNhq8t0gOWEtRB3pXAYPFsPeh7uN5gP2odoCOz+Zj0JXv/X2Alsqlm+Cmy7WMIK+/RaCwsfOPgTiywSUHMLSpKjpwuPoQsuDD0uSdGMb"
    "68+xo1JCvw4Dhg3VywOf3CEkY88W/91D6lLVqEQjlyF63eQ3aINghERCFEywVWRbFhz2fyRmKqH2i2SyqjsOdqS+vNlAd+TT36aYjcTeDZ995STut52x"
    "igT6dl01cAUOLWvvkkUq6o3E9CVGlBqAKCVK9Y4PvaVfglQZQKVud5hv/mV7QX7Fp+WeSCfX7sWinb0vMgW2rGurfqXqEBhtFYXyeHOQYgYnKdaM6uYr"
    "A7X/4wY/jvtKswZGiAXPiUZiUXBwyeZ2KZdIzgafVvfGUOa3ouGTpybCxdvkeibWVYtGxKba+ZYXnEbnyhjxvAb/PM01gOcKAEJJF6cfO9Tg3idqzLao"
    "OudzSUS8NcePWjUzsoeWYqBvCceb/nELzUeqwm5FLYezdLS3D4fHjdQf3efSkolnTYf3X0kHqSgTOQkuLe5UG2im//Q3mhPGg6/jZK0LTkuHwtT2jL9J"
    "hEIJcEb8p6GUn6kkCj/xyrPiki3GmCX+ComLHSMBOfxE1+BfG3Uh+nOqHqXbLp087k8SwFwin+27n1+g6lDZMJGcamAozt98jgmqlIyf59Wtompjw3IZ"
    "3DYVPQ6Nos1vEqGpGVnacRlV+2taEQLkrXxfIYyXHVhTYvc1uycsfUqlTKpyVl0X3kh45wtDoCzi9ZKVx+ywdNoZMvLWVPz0FZl9+4X0hQPwv2csys56"
    "mGEzODeXcxIwrIDuhW4gWJZqn9p27SxuzH+VgxgmQ/lhk1HxIyek3H4e0WGWy9/cX0HizyRbgL4wC2fz82IybZe0TGaWfuImWtac2QlqAC2CNiIC3ezm"
    "029xjQarW2/hYlSj7rG/a18mrv9C4uewzgf5zXHeCevO3n05CWFRJJzLnObiB3p4/o6OUyQfJLpXTewTb8spM6qIDNsUWzXWZ747DXxK7Gvyk/1+rnfa"
    "ps9LY/U8bsntYyMAHk5dZU0mvS9jbI+d9cFX23Kn6Kiee/m89F/Mu2n+QzCOxzLPALfuOHpwITqgX9FddQ7eIxwVrmjbksmpcoLVlQZDyYtZkI8Aeh1r"
    "3Ym2GN6ICbtY2aPDKboR1xdsIMhx7ynhG6XuCw92LFbM8AQHYjYxyHYGvOFkSpWg45yt7a6J+/HBf0Xe/vFTAxNsGiLwIixcEZxRD0bYxnuZj3YccYa4"
    "0WbOrCbFG4UcJLafe91jrWOc83Su1rvD3HWLrNpcKMbaj1/ITUgFtV3SG8JWPknS/lZE7sAEN61cH8koFyE3Q3A0qSkn3MiZuKexJ30WyCfbT78k9YCK"
    "43aYuYyisstWHRkUwpSeUZaM1jagEqJTO7yRRO/2VvHuDCFO4wHLnVyrxr/U79l1/QRSMe8EsS/7PxBdy7Eb5gx4r/fISxDEx49jKxkqSyWav55lSiC5"
    "E/Nb7ZslkVA1jm5/ltWXcGHZzjw8wqaCl8Yp2WtLQy5Kjpc8sWCgwCkbYafeJT8Js2txXQCYuu6o2lD+oHAWfEVSVqU0J+ojIMUKLYqFYKryEOOKoVFL"
    "KM6xJ7rO2kmRVOZ/KZZ9TC3u2N5YKr5ptRmixnfStS08zBDqPOF2GKf2yLAwvF5d1QsFRvQGILmupFQZX0zlqNjU7cEjbxRU2CqnND2PTW8gMVVh5/Gk"
    "9YyO6s1Vq2gI0aRFWqSBy+2K9yWtUev1MRi7U3W+tpPCr/ZSQrpi1JG8mjth13ot376wxPZK8b2aw0wvKvNfe91Ra799H6wPWgkE/hlpjYS87+BAW/fl"
    "sRfE58zTE592ZuSwur+c34rP1Kb5vQhWrloKSJ1Yz9+tq0smWAslW2C7ayQy6l0iaAStfHxk36m7MMWymQ5su/pj+rb7O+Iz9OrfNvv5vsr3CpSm4f7B"
    "R531bqZcXTTJSIeoMhuTEUEAIFUiF3KoyYgrevIv7r9mJVJ9MTG128BZSgMKU3u70+eO2uOufxeTxpIJFEXhkvbn9ZILykSG3uvKeBSuadn758z3IHl3"
    "/3F9uhqWD4zASrAvmzSbv/czxgaaGZLgh57QwZsnpROpCQj4PsfAmmdT1P8VwSM6psVd6+MIUhahGGvesAAA"
)
"""Primitive polynomials and initial direction numbers of dimensions 2 to 256, a stream of bits in base64.

A polynomial takes `_POLYNOMIAL` bits, its coefficients from the highest power down; then come the initial numbers m_k
for k = 1 to its degree, (m_k - 1) / 2 in k - 1 bits each. The values are those of new-joe-kuo-6.21201, copyright 2008
Frances Y. Kuo and Stephen Joe, BSD licence: https://web.maths.unsw.edu.au/~fkuo/sobol/; S. Joe and F. Y. Kuo (2008),
Constructing Sobol sequences with better two-dimensional projections, SIAM J. Sci. Comput. 30, 2635-2654.
"""
