"""A short version of `make chaos`; docs/explanation/reliability.md says what the long one has survived."""

import random

import pytest
from tests.story.chaos import rounds

pytestmark = pytest.mark.story


def test_workers_on_a_file(tmp_path):
    chance = random.Random(1)
    with rounds.sqlite(tmp_path) as arena:
        done = rounds.Round(arena, chance, trials=16).run(4)
    assert done


def test_a_driver_with_processes(tmp_path):
    chance = random.Random(2)
    with rounds.sqlite(tmp_path, "processes", 2) as arena:
        done = rounds.Round(arena, chance, trials=20, workers=1).run(4)
    assert done


def test_workers_on_postgresql(tmp_path, postgresql_server):
    chance = random.Random(3)
    with rounds.postgresql(tmp_path, postgresql_server, chance) as arena:
        arena.apart = True  # where that can be had
        done = rounds.Round(arena, chance, trials=16).run(4)
    assert done


def test_workers_over_http(tmp_path):
    chance = random.Random(4)
    with rounds.http(tmp_path, chance) as arena:
        done = rounds.Round(arena, chance, trials=16).run(4)
    assert done
