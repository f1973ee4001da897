"""What every sampler has to do. Subclass SamplerSuite, hand it your sampler, and pytest runs the checks.

>>> class TestMine(SamplerSuite):
...     improves = True  # better than random search on a smooth problem; that too is checked
...
...     def sampler(self):
...         return MySampler()

The checks drive an Engine with a log made by hand, in memory: no storage, no clock, no processes. A check that needs a
problem that the sampler's capabilities exclude is skipped.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from kilter.core.errors import IncapableSampler
from kilter.core.events import (
    INTERRUPTED,
    LOST,
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.history import Record
from kilter.core.interfaces import Sampler
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Parameter, Prior
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.seeds import rng
from kilter.core.simplex import Simplex
from kilter.core.space import Config, Space
from kilter.core.states import dumps_state, loads_state
from kilter.core.subset import Subset
from kilter.engine.engine import Engine
from kilter.schedulers.fifo import FifoScheduler

ALPHA = 0.01
"""How likely a sampler that is no better than random search may pass `test_better_than_random`."""
TELLS = 10_000
"""How many trials a sampler must take in without slowing down."""

Values = Mapping[str, float]


class Log:
    """A log made by hand and the engine that folds it, for tests."""

    def __init__(self, sampler: Sampler, problem: Problem, seed: int = 7) -> None:
        self.sampler, self.problem, self.seed = sampler, problem, seed
        self.entries: list[Entry] = []
        self.engine = self.replayed(0)

    def replayed(self, cut: int) -> Engine:
        """A fresh engine that was handed the first `cut` entries."""
        engine = Engine(self.problem, self.sampler, FifoScheduler(), self.seed)
        engine.handle(self.entries[:cut])
        return engine

    def write(self, event: Event) -> None:
        """One more entry."""
        self.entries.append(Entry(len(self.entries) + 1, event))
        self.engine.handle(self.entries[-1:])

    def proposal(self) -> Config | None:
        """The configuration that the next new trial would have."""
        return self.engine.propose(len(self.engine.history))

    def start(self) -> tuple[int, Config] | None:
        """Start the next new trial; None where the sampler has nothing left."""
        number, config = len(self.engine.history), self.proposal()
        if config is None:
            return None
        self.write(Started(number, 1, config, "w1", self.engine.position, float(number)))
        return number, config

    def end(
        self, number: int, metrics: Values, state: TrialState = TrialState.COMPLETE, failure: Failure | None = None
    ) -> None:
        """End the running attempt of a trial."""
        attempt = self.engine.history[number].attempt
        self.write(Ended(number, attempt, state, dict(metrics), number + 0.5, failure=failure))

    def run(self, trials: int, objective: Callable[[Config], Values]) -> list[Config]:
        """So many trials one after the other, fewer where the sampler has nothing left."""
        configs = []
        for _ in range(trials):
            started = self.start()
            if started is None:
                break
            self.end(started[0], objective(started[1]))
            configs.append(started[1])
        return configs


# Problems.


def rich_space() -> Space:
    """Each kind of parameter; log, step, a prior and a default; conditions two deep; a forbidden clause."""
    return Space(
        {
            "model": Choice(["svm", "forest", "mlp"]),
            "C": Float(1e-3, 1e3, log=True).when(model="svm"),
            "kernel": Choice(["rbf", "poly"]).when(model="svm"),
            "degree": Int(2, 5).when(kernel="poly"),
            "trees": Int(10, 1000, log=True, default=100).when(model="forest"),
            "width": Ordinal([16, 32, 64]).when(model="mlp"),
            "drop": Float(0.0, 0.5, step=0.25, prior=Prior(0.25)),
            "scale": Boolean(),
        },
        forbidden=[{"model": "svm", "scale": False}, {"drop": 0.5, "scale": True}],
    )


def flat_space() -> Space:
    """Two continuous parameters."""
    return Space({"x": Float(-1.0, 1.0), "y": Float(1e-3, 10.0, log=True)})


def finite_space() -> Space:
    """Few enough points for samplers that only take finite spaces."""
    return Space({"a": Int(0, 9), "b": Choice(["u", "v", "w"])})


def branched_space() -> Space:
    """Few points, most of them in one branch."""
    return Space(
        {"a": Choice(["u", "v", "w"]), "n": Int(1, 20, log=True).when(a="v"), "b": Boolean().when(a=["u", "v"])},
        forbidden=[{"n": 2, "b": True}],
    )


def wide_space() -> Space:
    """More points than can be listed, the low ones in wide cells."""
    return Space({"n": Int(1, 10**6, log=True), "k": Float(1.0, 5e3, step=0.5, log=True)})


def compound_space() -> Space:
    """Values of several parts, one of them in a branch; of the subset, two in three forms are not canonical."""
    return Space(
        {
            "model": Choice(["one", "blend"]),
            "shares": Simplex(3).when(model="blend"),
            "columns": Subset(["a", "b", "c", "d"], count=2),
        },
        forbidden=[{"columns.a": True, "columns.d": True}],
    )


def subset_space() -> Space:
    """Twelve points, which 32 forms stand for."""
    return Space({"columns": Subset(["a", "b", "c", "d"], count=2), "b": Boolean()})


def one_point_space() -> Space:
    """A single configuration."""
    return Space({"a": Int(3, 3), "b": Choice(["only"]), "c": Float(0.5, 0.5)})


def bowl(config: Config) -> Values:
    """Smooth, with its best at x = 0.3, y = 0.1, z = -0.6 and kind "b"; declared for test_better_than_random."""
    x, y, z = number_of(config, "x"), math.log10(number_of(config, "y")), number_of(config, "z")
    return {"value": (x - 0.3) ** 2 + (y + 1.0) ** 2 / 4 + (z + 0.6) ** 2 + 0.5 * (config["kind"] != "b")}


BOWL = Space({"x": Float(-1, 1), "y": Float(1e-3, 10, log=True), "z": Float(-1, 1), "kind": Choice(["a", "b", "c"])})


def number_of(config: Config, name: str) -> float:
    """The value of a parameter that is a number."""
    value = config[name]
    assert isinstance(value, (int, float))
    return float(value)


def size_of(config: Config) -> float:
    """A number that depends on the whole configuration, for objectives of tests."""
    numbers = {name: value if isinstance(value, (int, float)) else len(str(value)) for name, value in config.items()}
    return sum(len(name) * value for name, value in numbers.items())


def eventful(log: Log, trials: int = 24) -> None:
    """Trials that end in every way, side by side, out of order, with a queue and reports among them."""
    names = [objective.name for objective in log.problem.objectives]
    metrics = list(log.problem.metric_names)
    open_trials: list[int] = []
    for turn in range(trials):
        if turn % 9 == 4:
            fixed = log.problem.space.draw(_stream(turn))
            number = len(log.engine.history)
            log.write(Enqueued(number, fixed, float(turn)))
            log.write(Started(number, 1, fixed, "w2", log.engine.position, float(turn), fresh=False))
            open_trials.append(number)
        else:
            started = log.start()
            if started is None:
                break
            open_trials.append(started[0])
        if turn % 3 == 1:
            number = open_trials[-1]
            log.write(Reported(number, 1, (Report(0, {names[0]: 0.5}),), float(turn)))
        while len(open_trials) > 3:
            number = open_trials.pop(1 if turn % 2 else 0)
            value = size_of(log.engine.history[number].params)
            whole = {name: value / (i + 1) for i, name in enumerate(metrics)}
            kind = number % 8
            if kind == 3:
                log.end(number, {}, TrialState.FAIL, Failure("ValueError", "broken"))
            elif kind == 5:
                log.end(number, {names[0]: value}, TrialState.PRUNED)
            elif kind == 6:
                log.end(number, dict.fromkeys(metrics, math.nan))
            elif kind == 7:
                log.end(number, {}, TrialState.FAIL, Failure(LOST if number % 16 == 7 else INTERRUPTED))
                params = log.engine.history[number].params
                log.write(Started(number, 2, params, "w3", log.engine.position, float(turn), fresh=False))
                log.end(number, whole)
            else:
                log.end(number, dict.fromkeys(metrics, math.inf) if number == 10 else whole)


def _stream(number: int) -> Any:
    return rng(11, "suite", number)


class SamplerSuite:
    """The contract of `kilter.core.interfaces.Sampler`."""

    exhausts: ClassVar[bool] = False
    """Whether `ask` may answer None, because everything has been tried."""
    renews: ClassVar[bool] = False
    """Whether it tries nothing twice while untried points are left."""
    improves: ClassVar[bool] = False
    """Whether it learns: then it must beat random search on `bowl`."""
    seeded: ClassVar[bool] = True
    """Whether another seed gives other suggestions."""

    def sampler(self) -> Sampler:
        """A sampler with its usual settings; override this."""
        raise NotImplementedError("override the method `sampler`")

    # The problems of the checks, for a sampler that needs others.

    def log(self, problem: Problem, seed: int = 7) -> Log:
        """An empty log; skips the check where the sampler cannot handle the problem."""
        try:
            return Log(self.sampler(), problem, seed)
        except IncapableSampler as error:
            pytest.skip(str(error))

    def usual(self, seed: int = 7) -> Log:
        """An empty log of the richest problem that the sampler can handle."""
        for space in (rich_space(), flat_space(), finite_space()):
            try:
                return Log(self.sampler(), Problem(space), seed)
            except IncapableSampler:
                continue
        raise AssertionError("the sampler can handle none of the problems of the suite")

    # Settings and state.

    def test_settings_are_frozen(self) -> None:
        """A sampler is a frozen dataclass of settings with a repr that tells two settings apart."""
        sampler = self.sampler()
        assert dataclasses.is_dataclass(sampler)
        assert type(sampler).__dataclass_params__.frozen
        assert repr(sampler) == repr(self.sampler())

    def test_ask_leaves_everything_as_it_is(self) -> None:
        """State, history and settings are the same before and after, and asking again gives the same."""
        log = self.usual()
        eventful(log)
        history, state, sampler = log.engine.history, log.engine.sampler_state, log.engine.sampler
        for number in (len(history), len(history) + 1):
            before = picture_of(state), copy.deepcopy(history.trials), picture_of(sampler)
            first = sampler.ask(state, history, number)
            kept = copy.deepcopy(first)
            if first is not None:
                first["not a parameter"] = 1  # a configuration that is also part of the state would show it
            assert (picture_of(state), history.trials, picture_of(sampler)) == before
            assert sampler.ask(state, history, number) == kept

    def test_tell_leaves_the_trial_as_it_is(self) -> None:
        """A trial belongs to the log; the state takes what it needs."""
        log = self.usual()
        for trial in [self._finished(log.problem, number) for number in range(30)]:
            before = repr(trial)
            log.sampler.tell(log.engine.sampler_state, trial, log.problem)
            assert repr(trial) == before

    def test_state_survives_the_codec(self) -> None:
        """At every cut of the log a state that was written and read answers and learns as the one in memory."""
        log = self.usual()
        eventful(log)
        kept, other = log.replayed(0), log.replayed(0)
        for entry in log.entries:
            kept.handle([entry])
            other.handle([entry])
            written = dumps_state(other.sampler_state)
            other.sampler_state = loads_state(type(other.sampler_state), written)
            assert dumps_state(other.sampler_state) == written
            number = len(kept.history)
            assert other.propose(number) == kept.propose(number)

    # Replay.

    def test_replay_at_every_cut(self) -> None:
        """A fresh engine that is handed the log up to any place gives the suggestion that was given there."""
        log = self.usual()
        given = [log.proposal()]
        write = log.write

        def asked_too(event: Event) -> None:
            write(event)
            given.append(log.proposal())

        log.write = asked_too  # type: ignore[method-assign]
        eventful(log)
        for cut, expected in enumerate(given):
            engine = log.replayed(cut)
            assert engine.propose(len(engine.history)) == expected, f"after {cut} of {len(log.entries)} entries"

    def test_the_seed_decides(self) -> None:
        """The same seed gives the same suggestions, another seed others."""
        runs = [self.usual(seed).run(6, lambda c: {"value": size_of(c)}) for seed in (1, 1, 2)]
        assert runs[0] == runs[1]
        if self.seeded:
            assert runs[0] != runs[2]

    # Legal values.

    @pytest.mark.parametrize("space", [rich_space, flat_space, finite_space, compound_space, one_point_space, Space])
    def test_every_suggestion_is_legal(self, space: Callable[[], Space]) -> None:
        """Exactly the active parameters, each in its range, nothing forbidden, through every way a trial can end."""
        log = self.log(Problem(space()))
        eventful(log, 60)
        self._check(log)

    def test_suggestions_go_on(self) -> None:
        """Only a sampler that says that it exhausts may have nothing left."""
        for space in (one_point_space(), finite_space()):
            log = self.log(Problem(space))
            given = log.run(40, lambda c: {"value": size_of(c)})
            if not self.exhausts:
                assert len(given) == 40
            elif len(given) < 40:
                assert len(given) <= space.size
                assert log.proposal() is None

    @pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -math.inf, 1e308])
    def test_constant_objective(self, value: float) -> None:
        """Nothing to learn is no reason to fail."""
        log = self.usual()
        log.run(30, lambda _: {"value": value})
        self._check(log)

    @pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.PRUNED])
    @pytest.mark.parametrize("metrics", [{}, {"value": math.nan}, {"value": 1.0, "other": 2.0}])
    def test_nothing_completes(self, state: TrialState, metrics: Values) -> None:
        """Failed and pruned trials come with any metrics or none."""
        log = self.usual()
        for _ in range(30):
            started = log.start()
            if started is None:
                break
            log.end(started[0], metrics, state, Failure("ValueError") if state is TrialState.FAIL else None)
        self._check(log)

    def test_several_objectives(self) -> None:
        """Three objectives, one of them maximised."""
        objectives = (Objective("a"), Objective("b", "maximize"), Objective("c"))
        log = self.log(Problem(rich_space(), objectives))
        eventful(log, 60)
        self._check(log)

    def test_constraints(self) -> None:
        """Met, missed, and not reported at all."""
        constraints = (Constraint("memory", "<=", 40.0), Constraint("value", ">=", 0.0))
        log = self.log(Problem(rich_space(), constraints=constraints))
        eventful(log, 40)
        log.run(20, lambda c: {"value": size_of(c)})
        self._check(log)

    def test_pending_trials(self) -> None:
        """Many trials that run at the same time are legal and not all the same, at the start and later."""
        log = self.usual()
        for _ in range(2):
            batch = [started for _ in range(12) if (started := log.start()) is not None]
            self._check(log)
            assert len({repr(sorted(config.items())) for _, config in batch}) > 1
            for number, config in reversed(batch):
                log.end(number, {"value": size_of(config)})
            log.run(15, lambda c: {"value": size_of(c)})

    def test_partly_chosen_trials(self) -> None:
        """What a user enqueued is kept, and the sampler fills in the rest."""
        log = self.usual()
        name = log.problem.space.names[0]
        for turn in range(12):
            value = log.problem.space.draw(_stream(turn))[name]
            number = len(log.engine.history)
            log.write(Enqueued(number, {name: value}, 0.0))
            config = log.engine.propose(number)
            assert config is not None
            assert config[name] == value
            assert log.engine.problem.space.is_legal(config)
            log.write(Started(number, 1, config, "w1", log.engine.position, 0.0, fresh=False))
            log.end(number, {"value": size_of(config)})
            log.run(2, lambda c: {"value": size_of(c)})
        self._check(log)

    def test_the_space_grows(self) -> None:
        """After a parameter came and another was widened, suggestions have the new one and may use the new range."""
        for space in (flat_space(), finite_space()):
            log = self.log(Problem(space))
            log.run(15, lambda c: {"value": size_of(c)})
            pending = log.start()
            first = space.names[0]
            wider: Parameter = Float(-1.0, 3.0) if first == "x" else Int(0, 15)
            new = {"new": Choice(["p", "q"], default="p"), first: wider}
            log.write(SpaceExtended({name: parameter.to_json() for name, parameter in new.items()}, 0.0))
            if pending is not None:
                log.end(pending[0], {"value": 0.0})
            start = len(log.entries)
            given = log.run(25, lambda c: {"value": size_of(c)})
            assert all("new" in config for config in given)
            self._check(log, start)

    # Nothing twice.

    @pytest.mark.parametrize("seed", range(2))
    @pytest.mark.parametrize("space", [finite_space, branched_space, wide_space, subset_space, one_point_space])
    def test_nothing_twice(self, space: Callable[[], Space], seed: int) -> None:
        """Of n trials in a space of k points min(n, k) are different, whether they run, wait, failed or succeeded.

        The best values lie at the low end, where the cells of a logarithmic scale are wide.
        """
        if not self.renews:
            pytest.skip("does not claim to try nothing twice")
        self._check_nothing_twice(self.log(Problem(space()), seed))

    def test_nothing_twice_in_drawn_spaces(self) -> None:
        """The same in any finite space: with conditions, clauses, priors, options of any kind."""
        if not self.renews:
            pytest.skip("does not claim to try nothing twice")
        from hypothesis import example, given, settings
        from hypothesis import strategies as st

        from kilter.testing.strategies import spaces

        @settings(max_examples=10)
        @given(spaces(max_parameters=3, kinds=("int", "ordinal", "choice", "boolean", "compound")), st.integers(0, 99))
        @example(Space({"a": Int(0, 6), "b": Boolean()}), 7)  # hardly more points than trials
        def law(space: Space, seed: int) -> None:
            self._check_nothing_twice(self.log(Problem(space), seed), 12)

        law()

    def _check_nothing_twice(self, log: Log, trials: int = 24) -> None:
        fixed = log.problem.space.draw(_stream(0))
        log.write(Enqueued(0, fixed, 0.0))  # one that a user chose, and that waits all the while
        given: list[Config] = [fixed]
        for turn in range(trials):
            started = log.start()
            if started is None:
                break
            given.append(started[1])
            if turn % 5 == 1:
                log.end(started[0], {}, TrialState.FAIL, Failure("ValueError"))
            elif turn % 5 > 1:
                log.end(started[0], {"value": size_of(started[1])})
        different = {repr(sorted((n, type(v).__name__, v) for n, v in config.items())) for config in given}
        assert len(different) == min(log.problem.space.size, trials + 1), given

    # Cost and use.

    def test_many_tells_in_linear_time(self) -> None:
        """The last tells of ten thousand make no more calls, and write hardly more, than the early ones."""
        log = self.usual()
        sampler, state = log.sampler, log.engine.sampler_state
        trials = [self._finished(log.problem, number) for number in range(1000)]
        tenth = TELLS // 10
        calls, sizes = [], [0]
        for part in range(10):
            told = [dataclasses.replace(trial, number=part * tenth + i) for i, trial in enumerate(trials[:tenth])]
            calls.append(calls_of(partial(_tell_all, sampler, state, told, log.problem)))
            sizes.append(len(dumps_state(state)))
        assert max(calls[-3:]) <= 2 * max(calls[0], calls[1]) + tenth, f"calls per thousand tells: {calls}"
        grown = [later - earlier for earlier, later in pairwise(sizes)]
        assert max(grown[-3:]) <= 2 * max(grown[0], grown[1], 1000), f"bytes of state per thousand tells: {grown}"

    def test_better_than_random(self) -> None:
        """The best of 60 trials on `bowl` against random search: a one-sided rank test at ALPHA.

        It looks twice, each time at half of ALPHA: after 5 seeds, which is enough for most, and after 15.
        """
        if not self.improves:
            pytest.skip("does not claim to improve on random search")
        from scipy.stats import mannwhitneyu

        from kilter.samplers.random import RandomSampler

        def best(sampler: Sampler, seed: int) -> float:
            log = Log(sampler, Problem(BOWL), seed)
            return min(bowl(config)["value"] for config in log.run(60, bowl))

        random = [best(RandomSampler(), seed) for seed in range(100, 130)]
        ours: list[float] = []
        for seeds in (5, 15):
            ours += [best(self.sampler(), seed) for seed in range(len(ours), seeds)]
            p = mannwhitneyu(ours, random, alternative="less").pvalue
            if p < ALPHA / 2:
                break
        assert p < ALPHA / 2, f"p = {p:.3g}; ours {sorted(ours)}, random search {sorted(random)}"

    # Tools of the checks.

    def _check(self, log: Log, start: int = 0) -> None:
        """All that was started, and the next suggestion, is legal in the space as it is now."""
        space = log.engine.problem.space
        configs: list[Config] = [dict(e.params) for _, e in log.entries[start:] if isinstance(e, Started)]
        following = log.proposal()
        if following is not None:
            configs.append(following)
        assert self.exhausts or following is not None, "nothing left to try, which this sampler does not declare"
        for config in configs:
            assert space.is_legal(config), f"{config} is not legal in {space!r}"

    def _finished(self, problem: Problem, number: int) -> Record:
        config = problem.space.draw(_stream(number))
        metrics = {name: size_of(config) for name in problem.metric_names}
        if number % 7 == 6:
            return Record(number, TrialState.FAIL, config, failure=Failure("ValueError"))
        return Record(number, TrialState.COMPLETE, config, 1, "w1", metrics)


def picture_of(thing: Any) -> Sequence[Any]:
    """All that an object holds, the attributes that it does not declare included, as a value of its own."""
    return type(thing).__name__, _plainly(vars(thing))


def _plainly(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plainly(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plainly(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return picture_of(value)
    return repr(value.tolist()) if hasattr(value, "tolist") else repr(value)


def _tell_all(sampler: Sampler, state: Any, trials: Sequence[Record], problem: Problem) -> None:
    for trial in trials:
        sampler.tell(state, trial, problem)


def calls_of(act: Callable[[], object]) -> int:
    """How many calls, into Python and into C, something takes."""
    count = 0

    def see(frame: Any, kind: str, argument: Any) -> None:
        nonlocal count
        count += kind in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count
