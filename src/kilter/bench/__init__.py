"""Races between samplers: problems with known optima, wrappers that compose, `race` and `score`.

>>> from kilter.bench import find, race, score
>>> runs = race(find(["branin"]), ["random", "sobol"], seeds=range(3), budget=20)
>>> table = score(runs, at=[10, 20])
>>> table.problems, table.runs, sorted(row.sampler for row in table.rows)
(('branin',), 3, ['random', 'sobol'])
"""

from kilter.bench.problem import BenchProblem
from kilter.bench.problems import PROBLEMS, find
from kilter.bench.race import race, read_runs
from kilter.bench.score import Table, score
from kilter.bench.surrogate import surrogate
from kilter.bench.wrappers import conditional, delayed, discretised, failing, noisy, permuted, shifted

__all__ = [
    "PROBLEMS",
    "BenchProblem",
    "Table",
    "conditional",
    "delayed",
    "discretised",
    "failing",
    "find",
    "noisy",
    "permuted",
    "race",
    "read_runs",
    "score",
    "shifted",
    "surrogate",
]


def __dir__() -> list[str]:
    return list(__all__)
