"""`nested`: what to expect of a whole search on new data, by one search on the training rows of each outer fold.

The outer folds are the trials of a study, and each of them runs a study on its training rows. So they run in parallel
where trials do, a crash loses no more than what ran, and the same call once more goes on with what is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.analysis.configurations import default_of
from kilter.api.arguments import SpaceLike, StudyOptions, as_space, check_settings
from kilter.api.running import executor_of
from kilter.api.studies import open_study
from kilter.api.study import Study
from kilter.api.tuning import OPTIONS, directions_of, tune
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.interfaces import Executor, Storage
from kilter.core.limits import Limits
from kilter.core.numbers import Int
from kilter.core.problem import DEFAULT_METRIC, Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.core.vocabulary import answering
from kilter.engine.ending import EndKind
from kilter.evaluation import DataSets, Seeds
from kilter.evaluation.evaluations import Evaluation
from kilter.evaluation.outer import Nested, OuterFold
from kilter.objective.definitions import definition_of
from kilter.objective.trial import Trial

if TYPE_CHECKING:
    from typing_extensions import Unpack

FOLD = "outer_fold"
"""The parameter of the outer study: which fold a trial is."""
FOUND = "found"
"""The attribute of its trials that says what was chosen there."""

Split = tuple[np.ndarray, np.ndarray]


IRRELEVANT = ("storage", "study_name", "transfer", "tags", "task", "scale")
"""Arguments of a study that change nothing of what is found on outer folds, which learn nothing from one another."""


@dataclass(frozen=True)
class Found:
    """What a search on the training rows of an outer fold has chosen, and how that does on its test rows."""

    config: Config
    observed: float
    """What the search has measured of it."""
    estimated: float | None
    """What the search has estimated that it scores on new data."""
    score: float
    default: float | None
    """The score of what there is without tuning; None where that is not known."""
    is_default: bool
    """Whether what there is without tuning was chosen."""

    @classmethod
    def of(
        cls,
        history: History,
        config: Config,
        observed: float,
        estimated: float | None,
        score: float,
        untuned: float | None,
    ) -> Found:
        """What was chosen by the search that has this history, with its score and that of the default."""
        default = default_of(history)
        kept = default is not None and dict(default.params) == dict(config)
        return cls(dict(config), observed, estimated, score, untuned, kept)


@dataclass(frozen=True, eq=False)
class Search(ABC):
    """A search that runs on the training rows of each outer fold: the objective of the outer study."""

    name: str
    """Of the outer study; those of the folds begin with it."""
    splits: Sequence[Split]
    space: Space
    is_maximised: bool
    calls: Any
    """What is tuned, whose code the outer study is of ..."""
    settings: Mapping[str, Any]
    """... and the values that count."""

    def __call__(self, trial: Trial) -> float:
        """The score of an outer fold."""
        found = self.on(trial.params[FOLD])
        trial.set_user_attr(FOUND, {name: value for name, value in vars(found).items() if name != "score"})
        return found.score

    def check(self, problem: Problem) -> None:
        """The outer study is made for it."""
        assert FOLD in problem.space

    @abstractmethod
    def on(self, fold: int) -> Found:
        """Search on the training rows of a fold, and score the choice on its test rows."""

    @abstractmethod
    def params(self, config: Config) -> dict[str, Any]:
        """A configuration in the words of what is tuned."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float | None, float | None]:
        """What a perfect model would score, and what none scores worse than; None where nobody knows."""


@answering(OPTIONS)
def nested(
    objective: Any,
    space: SpaceLike = None,
    outer: Any = None,
    *,
    minimize: str | bool | None = None,
    maximize: str | bool | None = None,
    n_trials: int | None = None,
    limits: Limits | None = None,
    level: float = 0.9,
    workers: int = 1,
    executor: Executor | str | None = None,
    progress: str = "auto",
    **study: Unpack[StudyOptions],
) -> Nested:
    """Nested cross-validation: `tune` on the training rows of each outer fold, its choice scored on the rest.

    `objective` is of an evaluation over rows, as CrossValidation(5).objective(model, X, y). `outer` is the evaluation
    that splits these rows before, by default the objective's own, which knows what rows are in the order of time.
    `space`, `minimize`, `maximize`, `n_trials`, `limits` and the arguments of the study are those of `tune`, for each
    search; what it chooses is `study.recommend()`. So many `workers` (-1 means one a core), or the `executor`, run
    outer folds at the same time, in processes of their own.

    With a storage, by default sqlite:///kilter.db, the same call goes on where it was left off. The intervals of what
    it returns hold the expectation with the probability `level`.

    Raises InvalidInput for an objective that is not over the rows of one table, or for several metrics to tune,
    StudyChanged where the study of this name is of something else, and NotReady where an outer fold failed.

    >>> from kilter import Float
    >>> from kilter.evaluation import CrossValidation, nested
    >>> X, y = np.arange(12.0), np.arange(12.0) % 2
    >>> def train(train, test, *, threshold):
    ...     return float(np.mean((test[0] > threshold) == test[1]))
    >>> objective = CrossValidation(2).objective(train, X, y)
    >>> found = nested(objective, {"threshold": Float(0, 12)}, CrossValidation(3), maximize=True, n_trials=4,
    ...                storage=None, progress="none")
    >>> len(found.folds), found.mean <= 1
    (3, True)
    """
    check_settings(Limits, limits=limits)
    wanted: dict[str, Any] = {**{name: OPTIONS[name].default for name in ("storage", "seed")}, **study}
    tuning = {"minimize": minimize, "maximize": maximize, "n_trials": n_trials, "limits": limits, **wanted}
    declared = as_space(space) if space is not None else Space.from_signature(objective)
    search = _Tuning.of(objective, declared, outer, tuning)
    return run_outer(search, wanted["storage"], executor_of(executor, workers, None), level, progress)


@dataclass(frozen=True, eq=False)
class _Tuning(Search):
    """`tune` on the training rows of each outer fold."""

    objective: Any
    tuning: Mapping[str, Any]
    metric: str
    """What is tuned, and what the outer folds are scored by."""

    @classmethod
    def of(cls, objective: Any, space: Space, outer: Any, tuning: Mapping[str, Any]) -> _Tuning:
        if list(getattr(objective, "data", ())) != [None]:
            raise InvalidInput(
                f"nested({objective!r:.60}): give an objective over the rows of one table, as "
                "CrossValidation(5).objective(model, X, y)"
            )
        outer = objective.evaluation if outer is None else outer
        if not isinstance(outer, Evaluation) or isinstance(outer, (Seeds, DataSets)):
            raise InvalidInput(f"outer={outer!r:.60}: give an evaluation over rows, as CrossValidation(5)")
        named = directions_of(tuning["minimize"], tuning["maximize"])
        directions = named or objective.directions or {DEFAULT_METRIC: "minimize"}
        if len(directions) > 1:
            raise InvalidInput(
                f"nested() tunes one objective, not {len(directions)} ({', '.join(directions)}): several have no "
                "single best configuration to score on the outer folds"
            )
        [(metric, way)] = directions.items()
        told = {name: value for name, value in tuning.items() if name not in IRRELEVANT}
        return cls(
            tuning.get("study_name") or f"{definition_of(objective).name}-nested",
            objective.splits(outer),
            space,
            way == "maximize",
            objective,
            {"outer": outer, "space": space.to_json(), **told},
            objective,
            tuning,
            metric,
        )

    def on(self, fold: int) -> Found:
        train, test = self.splits[fold]
        seed = int(rng(self.tuning["seed"] or 0, "outer fold", fold).integers(2**31))
        named = {**self.tuning, "seed": seed, "study_name": f"{self.name}, outer fold {fold}", "transfer": None}
        with tune(self.objective.on(train), self.space, progress="none", **named) as study:
            _raise_where_stopped(study)
            chosen = study.recommend()
            score, untuned = self.objective.score(chosen.params, train, test, self.metric), self._untuned
            if untuned is None or untuned == chosen.params:
                default = None if untuned is None else score
            else:
                default = self.objective.score(untuned, train, test, self.metric)
            told = study.estimate()
            config = study.history[told.number].params
            return Found.of(study.history, config, told.observed, told.value, score, default)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return self.objective.perfect, self.objective.worst

    @property
    def _untuned(self) -> Mapping[str, Any] | None:
        """The parameters without tuning: none at all where the objective's own lie outside of the space."""
        inside = self.objective.defaults(self.space)
        return {} if inside is None and set(self.space.declared) <= set(self.objective.own_defaults()) else inside

    def params(self, config: Config) -> dict[str, Any]:
        return self.space.values(config)


def run_outer(search: Search, storage: str | Storage | None, runs_on: Executor, level: float, progress: str) -> Nested:
    """Run the outer folds that are left, and say what came of all."""
    folds = Space({FOLD: Int(0, len(search.splits) - 1)})
    problem = Problem.of(folds, None, {DEFAULT_METRIC: "maximize" if search.is_maximised else "minimize"})
    definition = definition_of(search)
    name = search.name
    with open_study(definition, problem, "fail", study_name=name, storage=storage, transfer=None, seed=0) as study:
        begun = {t.params[FOLD] for t in study.trials if t.state not in (TrialState.FAIL, TrialState.PRUNED)}
        for fold in sorted(set(range(len(search.splits))) - begun):
            study.enqueue_trial({FOLD: fold})
        waiting = study.get_trials(states=(TrialState.WAITING, TrialState.PAUSED))
        if waiting:
            study.optimize(search, len(waiting), executor=runs_on, progress=progress)
            _raise_where_stopped(study)
        return _read(study, search, level)


def _raise_where_stopped(study: Study) -> None:
    """A search that was broken off has chosen nothing yet; the next call goes on with it."""
    if study.ending is not None and study.ending.kind is EndKind.STOPPED:
        raise KeyboardInterrupt


def _read(study: Study, search: Search, level: float) -> Nested:
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    lacking = len(search.splits) - len(trials)
    if lacking:
        failures = [trial.failure.line for trial in study.get_trials(states=(TrialState.FAIL,)) if trial.failure]
        why = f", as by {failures[-1]}" if failures else "; the others run elsewhere"
        raise NotReady(
            f"{search.name!r}: {lacking} of {len(search.splits)} outer folds have no score{why}: the same call goes on "
            "with them"
        )
    found = []
    for trial in sorted(trials, key=lambda trial: trial.params[FOLD]):
        told = trial.user_attrs[FOUND]
        score = float(trial.value or 0.0)
        found.append(OuterFold(trial.params[FOLD], search.params(told["config"]), score=score, **told))
    overlap = float(np.mean([len(test) / len(train) for train, test in search.splits]))
    return Nested(tuple(found), search.space, overlap, search.is_maximised, level, *search.bounds)
