"""An engine as bytes: the same engine comes back from every place in a log, and nothing from what is no snapshot."""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.engine.test_engine import picture

from kilter.core.definition import Definition
from kilter.core.events import (
    Controlled,
    Defined,
    Ended,
    Entry,
    Granted,
    Invalidated,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.options import Choice
from kilter.core.problem import Objective, Problem
from kilter.engine import snapshot
from kilter.engine.engine import Engine
from kilter.samplers import AutoSampler, EvolutionSampler, RandomSampler
from kilter.schedulers.fifo import FifoScheduler
from kilter.testing.sampler import Log, eventful, rich_space

PROBLEM = Problem(rich_space(), (Objective("loss"), Objective("speed", "maximize")))


def eventful_log(trials=24):
    made = Log(EvolutionSampler(population=6, tournament=2), PROBLEM)
    made.write(Noted(None, {"owner": "me", "deep": [1, {"a": None}]}, 0.0))
    eventful(made, trials)
    made.write(Defined(Definition("train", code={"objective": "source:1"}).to_json(), 1.0, forgives=True))
    made.write(SpaceExtended({"new": Choice(["p", "q"], default="p").to_json()}, 0.0))
    made.write(Noted(2, {"tag": "ü"}, 0.0))
    made.write(Controlled("stopped", 0.0, cuts=True))
    made.write(Granted(3, 60.0, 0.0))
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        number = next(n for n in made.engine.history.finished if made.engine.history[n].state is state)
        made.write(Invalidated(number, f"was {state.name}", 0.0))
    made.write(Controlled("paused", 0.0))
    eventful(made, trials // 3)
    return made


LOG = eventful_log()
DATA = snapshot.dumps(LOG.engine)


def back(data, log=LOG):
    engine = log.replayed(0)
    snapshot.loads(engine, data)
    return engine


def test_every_cut_comes_back():
    """Equal, with the same next proposal, and it goes on as the one that was never written."""
    for cut in range(len(LOG.entries) + 1):
        engine = LOG.replayed(cut)
        other = back(snapshot.dumps(engine))
        assert picture(other) == picture(engine)
        number = len(engine.history)
        assert other.propose(number) == engine.propose(number)
        for each in (other, engine):
            each.handle(LOG.entries[cut:])
        assert picture(other) == picture(engine)


def test_a_snapshot_of_a_snapshot():
    assert picture(back(snapshot.dumps(back(DATA)))) == picture(LOG.engine)


@pytest.mark.parametrize(
    "names",
    [["a/b", "a"], ["m", "m.npy"], ["a\0b", "a\0c"], ["", " "], ["trial", "step"], ["../x", "content"], ["\ud800"]],
)
def test_metrics_may_have_any_name(names):
    log = Log(RandomSampler(), PROBLEM)
    number, _ = log.start()
    reports = tuple(Report(i, {name: float(i)}) for i, name in enumerate(names))
    log.write(Reported(number, 1, reports, 0.0))
    assert picture(back(snapshot.dumps(log.engine), log)) == picture(log.engine)


def test_another_sampler_does_not_fit():
    for sampler in (AutoSampler(), EvolutionSampler(population=7, tournament=2)):
        with pytest.raises(ValueError, match="another sampler"):
            snapshot.loads(Engine(PROBLEM, sampler, FifoScheduler(), 7), DATA)


def test_every_truncation_is_refused():
    for end in [*range(400), *range(400, len(DATA), 97), len(DATA) - 1]:
        with pytest.raises(ValueError, match="snapshot"):
            back(DATA[:end])


@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY", DATA[:200]]))
@example(b"", b"")
def test_garbage_is_refused(noise, start):
    with pytest.raises(ValueError, match="snapshot"):
        back(start + noise)


@given(st.data())
@settings(max_examples=150)
def test_damage_loads_or_is_refused(data):
    """A changed byte may go unseen, in a name or a time; it never raises anything else."""
    damaged = bytearray(DATA)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(DATA) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        back(bytes(damaged))


def content():
    with np.load(io.BytesIO(DATA)) as arrays:
        return json.loads(arrays["content"].tobytes()), {n: arrays[n] for n in arrays.files if n != "content"}


def packed(fields, arrays):
    buffer = io.BytesIO()
    np.savez(buffer, content=np.frombuffer(json.dumps(fields).encode(), dtype=np.uint8), **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("name", sorted(content()[0]))
@pytest.mark.parametrize("value", [..., None, 3, "x", [1, "x"], {"x": 1}])
def test_content_of_another_shape_is_refused(name, value):
    """Whatever is missing or of another kind."""
    fields, arrays = content()
    if (type(value) is type(fields[name]) and name in ("position", "attrs")) or (name == "defined" and value is None):
        pytest.skip("of the same shape")
    fields[name] = value
    if value is ...:
        del fields[name]
    with pytest.raises(ValueError, match="snapshot"):
        back(packed(fields, arrays))


def test_columns_of_different_lengths_are_refused():
    fields, arrays = content()
    fields["columns"]["attempt"].pop()
    with pytest.raises(ValueError, match="fit"):
        back(packed(fields, arrays))
    fields, arrays = content()
    arrays["report 1"] = arrays["report 1"][:-1]
    with pytest.raises(ValueError, match="fit"):
        back(packed(fields, arrays))


def test_an_archive_of_something_else_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("content", "hello")
    with pytest.raises(ValueError, match="fit"):
        back(buffer.getvalue())


def test_no_pickle():
    buffer = io.BytesIO()
    np.savez(buffer, content=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="fit"):
        back(buffer.getvalue())


def test_reports_grow_after_a_snapshot():
    log = Log(RandomSampler(), PROBLEM)
    number, _ = log.start()
    other = back(snapshot.dumps(log.engine), log)
    for i in range(600):
        log.write(Reported(number, 1, (Report(i, {f"m{i % 3}": 1.0}),), 0.0))
        other.handle(log.entries[-1:])
        if i == 300:
            other = back(snapshot.dumps(other), log)
    assert picture(other) == picture(log.engine)


def test_events_are_of_use_after_a_load():
    engine = back(snapshot.dumps(LOG.replayed(0)))
    engine.handle([Entry(1, Started(0, 1, {}, "w", 0, 0.0)), Entry(2, Ended(0, 1, TrialState.FAIL, {}, 1.0))])
    assert engine.history.finished == [0]
