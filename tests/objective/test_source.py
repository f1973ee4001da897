"""Digests of code where several threads ask for them."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kilter.objective.source import SOURCE, file_digest


def test_threads_may_read_code_at_once(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    functions = (f"def f{i}(a, b=[{i}, [{i}]]):\n    return [x + a for x in b if x > {i}]" for i in range(60))
    path.write_text("\n".join(functions))
    before = gc.get_threshold()

    def give_way(phase: str, info: object) -> None:
        """Another thread may go on here, in the middle of a parse."""
        time.sleep(0)

    gc.callbacks.append(give_way)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(8) as pool:
            digests = set(pool.map(file_digest, [str(path)] * 16))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(give_way)
    assert len(digests) == 1 and digests.pop().startswith(f"{SOURCE}:")
