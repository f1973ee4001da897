"""A dashboard on the studies of `tests.browser.studies`: python -m tests.browser.serve [PORT] [NAME …]

Without names all but the largest one; `all` is that, too. With `hundred-thousand` the file takes half a minute to make,
once: it is kept in a temporary folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

import uvicorn
from tests.browser.studies import SMALL, STUDIES, WORKERS, build

from kilter.core.interfaces import Storage, Worker
from kilter.dashboard import create_app
from kilter.plugins import open_storage

PATH = os.path.join(tempfile.gettempdir(), f"kilter-studies-4-{os.getuid()}.db")
AN_EVENING = 6 * 3600.0
"""Seconds for which those who run trials there seem to be at work."""


def storage_with(names: tuple[str, ...], path: str = PATH) -> Storage:
    """A file that has these studies, each made once."""
    storage = open_storage(f"sqlite:///{path}")
    known = {row.name for row in storage.studies()}
    made = build(storage, [name for name in names if name not in known], time.time())
    for name in made:
        for worker in WORKERS[: STUDIES[name].running]:
            storage.renew(made[name], Worker(worker, worker[:6], os.getpid(), 0.0), AN_EVENING)
    return storage


def main(words: list[str]) -> None:
    """Serve until Ctrl-C."""
    port, names = int(words[0]) if words else 8517, tuple(words[1:]) or SMALL
    storage = storage_with(tuple(STUDIES) if names == ("all",) else names)
    print(f"http://127.0.0.1:{port}/  {storage.url}", flush=True)
    uvicorn.run(create_app(storage), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(sys.argv[1:])
