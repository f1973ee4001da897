"""Processes that open one storage, which is not there yet, and make one study in it, all at the same moment."""

import subprocess
import sys
import time

COUNT = 32
COMING_UP = 2.5
"""Seconds in which four interpreters have come up; each forks eight."""

CREATOR = """
import os, sys, time
from importlib import import_module
from kilter.core.errors import StudyExists
from kilter.plugins import open_storage
from kilter.testing.storage import created, waiting
url, start, *libraries = sys.argv[1:]
for each in libraries:
    import_module(each)
time.sleep(max(0.0, float(start) - time.time()))
for _ in range(8):
    child = os.fork()
    if child == 0:
        break
else:
    sys.exit(max(os.waitpid(-1, 0)[1] for _ in range(8)) != 0)
try:
    storage = open_storage(url)
    try:
        study = storage.create("a", created())
    except StudyExists:
        [study] = [row.id for row in storage.studies()]
    storage.append(study, [waiting()], 1)
except BaseException as error:
    print(repr(error), file=sys.stderr)
    os._exit(1)
os._exit(0)
"""


def create_at_once(url, *libraries):
    """What each group of processes said to stderr, and how it ended. They import libraries before they are forked."""
    command = [sys.executable, "-c", CREATOR, url, str(time.time() + COMING_UP), *libraries]
    crowd = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(COUNT // 8)]
    return [(process.communicate()[1], process.returncode) for process in crowd]


def check_made_once(storage):
    """There is one study, and each process has put a trial into it, under a number of its own."""
    [row] = storage.studies()
    assert sorted(entry.event.number for entry in storage.read(row.id, 1)) == list(range(COUNT))
