"""Classifier and Regressor: a fit of kilter.automl in the words of scikit-learn."""

# ruff: noqa: N803 - X is scikit-learn's

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.core.errors import InvalidInput, NotReady, UnknownName, needed

with needed("'kilter[automl]'", "kilter.automl"):
    import lightgbm  # noqa: F401 - one error for whatever is missing, and before anything is read
    import pandas as pd
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
    from sklearn.utils.validation import check_is_fitted, check_random_state

from kilter.automl import fitting, inputs, leaderboard, saving, simplify
from kilter.automl.fitting import Outcome
from kilter.automl.honesty import ScoreEstimate
from kilter.automl.members.member import Member
from kilter.automl.model import Model
from kilter.automl.settings import Settings
from kilter.automl.state import State
from kilter.core.vocabulary import answers_other_words

if TYPE_CHECKING:
    from kilter.api.study import Study
    from kilter.automl.explain import Importances, Parts
    from kilter.automl.page import Page

log = logging.getLogger("kilter")

TIME_LIMIT = 60.0
"""Seconds of a fit where neither seconds nor a number of models is said."""

PRESETS = ("fast", "balanced", "best")


class AutoEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """What Classifier and Regressor have in common."""

    model_: Model
    outcome_: Outcome
    score_estimate_: ScoreEstimate
    feature_names_in_: np.ndarray

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None) -> Any:
        """Read the table, try members within the time, and weigh them.

        X: a DataFrame of pandas or polars, an array, or a list of dicts; of any kinds of columns. y: (n,) values, or
        the name of a column of X; rows without a value are left out. sample_weight: (n,) from 0 on. groups: (n,) rows
        of one group are never on both sides of a fold. Either may be the name of a column, too, which is then not
        learned from. Ctrl-C ends the search and keeps what there is. What to be wary of is logged, and in `notices_`.

        Raises InvalidInput where nothing can be learned from it, and says why.
        """
        outcome = fitting.fit(X, y, self._settings(), sample_weight, groups)
        own = self.get_params(deep=False)
        if own["max_predict_ms"] is not None:
            outcome = simplify.within(outcome, inputs.as_frame(X).iloc[outcome.data.rows], own["max_predict_ms"])
        self._keep(outcome)
        if own["verbose"]:
            for notice in self.notices_:
                log.warning("%s", notice)
        self._target = y if isinstance(y, str) else str(getattr(y, "name", None) or "the target")
        self._say(_has_names(X))
        return self

    def refine(self, seconds: float) -> Any:
        """Go on for so many more seconds where the fit, or the last refinement, stopped.

        Raises NotReady for a model that was loaded: its table is not in the file.
        """
        return self._keep(fitting.refine(self._outcome("refine"), _positive("seconds", seconds)))

    def simplify(self, loss: float = 0.002) -> Any:
        """A fitted estimator with the smallest ensemble whose estimated score is lower by `loss` at most.

        loss: in the unit of the metric, which `score_estimate_` has too. This one stays as it is. Raises NotReady for a
        model that was loaded.
        """
        smaller = clone(self)
        smaller._keep(simplify.simplified(self._outcome("simplify"), loss))
        smaller._target = self._target
        smaller._say(hasattr(self, "feature_names_in_"))
        return smaller

    def _keep(self, outcome: Outcome) -> Any:
        self.outcome_, self.model_, self.score_estimate_ = outcome, outcome.model, outcome.estimate
        self.n_models_ = sum(each.state == "complete" for each in outcome.candidates)
        self.notices_ = outcome.notices
        self._lines = leaderboard.lines(outcome.candidates, outcome.weights.tolist())
        return self

    def _say(self, has_names: bool) -> None:
        """The attributes that scikit-learn's estimators have, as the model says."""
        names = self.model_.reading.names
        self.n_features_in_ = len(names)
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_  # of an earlier fit
        if has_names:
            self.feature_names_in_ = np.array(names, dtype=object)

    def leaderboard(self) -> pd.DataFrame:
        """What was tried, a row for each candidate, those that weigh most first.

        number: that of its trial in `study_`; member and settings; score: the mean over folds, larger is better, so
        that errors are negative; weight: in the ensemble, 0 for most; seconds: of all of its fits; folds: how many were
        done, and scores, by fold; state: complete, stopped (others promised more) or failed, and the reason; scale: on
        which it learned the target, "identity" or "log1p"; predict_ms: milliseconds that its models take to predict
        1,000 rows, of those in the ensemble, without reading and encoding.
        """
        check_is_fitted(self, "model_")
        if hasattr(self, "outcome_") and all(line["predict_ms"] is None for line in self._lines):
            self._lines = leaderboard.with_latency(self._lines, self.model_, self.outcome_.data.table)
        return leaderboard.table(self._lines)

    @property
    def columns_(self) -> pd.DataFrame:
        """What each column was taken for, why, and what came of it; `columns=` decides otherwise."""
        check_is_fitted(self, "model_")
        columns = self.model_.reading.columns
        told = ("name", "kind", "reason", "result")
        return pd.DataFrame([[getattr(column, each) for each in told] for column in columns], columns=list(told))

    @property
    def study_(self) -> Study:
        """The study of the fit: history, explanations, figures, dashboard."""
        return self._outcome("study_").study

    def _outcome(self, what: str) -> Outcome:
        check_is_fitted(self, "model_")
        if not hasattr(self, "outcome_"):
            raise NotReady(
                f"{what} needs the table and the study of the fit: a model from a file or a pickle has neither"
            )
        return self.outcome_

    def explain(self, X: Any = None, n: int = 10) -> Importances | list[Parts]:
        """How far the score falls without each column; or, of the first n rows of X, what each column adds.

        The first is of rows out of fold, with intervals, and raises NotReady for a model from a file. The second
        compares each row with training rows or, in a model from a file, with the other rows of X. See explain.py.
        """
        from kilter.automl import insight

        if X is None:
            return insight.importances(self._outcome("explain() without X"))
        check_is_fitted(self, "model_")
        seen = self.outcome_.data.table if hasattr(self, "outcome_") else None
        return insight.parts(self.model_, X, n, seen)

    def report(self, path: str | os.PathLike[str] | None = None) -> Page:
        """A page about the fit: the score, what to be wary of, importance, errors, and what was tried.

        It is written to `path`: as Markdown where that ends in .md, else as HTML. Raises NotReady for a model from a
        file.
        """
        from kilter.automl import report

        page = report.page(self._outcome("report()"), self._target)
        if path is not None:
            page.write(path)
        return page

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, without pickle: `kilter.automl.load(path)` reads it. Data is not in it."""
        check_is_fitted(self, "model_")
        head = {
            "class": type(self).__name__,
            "params": {name: value for name, value in self.get_params(deep=False).items() if _is_kept(name, value)},
            "estimate": asdict(self.score_estimate_),
            "lines": self.leaderboard().to_dict("records"),
            "n_models": self.n_models_,
            "notices": list(self.notices_),
            "has_names": hasattr(self, "feature_names_in_"),
        }
        saving.write(path, State.of({"estimator": State(head), "model": self.model_.state()}), "model")

    def restored(self, state: State, members: Mapping[str, Member]) -> Any:
        """This estimator, fitted as the state says that `save` has written; see kilter.automl.load."""
        head = state.part("estimator").values
        self.model_ = Model.from_state(state.part("model"), members)
        self.score_estimate_ = ScoreEstimate(**head["estimate"])
        self.n_models_, self.notices_, self._lines = head["n_models"], tuple(head["notices"]), head["lines"]
        self._say(head["has_names"])
        return self

    def export(self, X: Any = None) -> Any:
        """The model as a fitted Pipeline of scikit-learn, which needs no kilter where it is loaded.

        It consists of classes of scikit-learn and of the members' libraries and of functions of NumPy and pandas. It
        takes a DataFrame with these columns, or an array where the model was fitted on one. Predictions agree to 1e-9
        as long as values are written as they were: see docs/how-to/automl.md. X: rows on which that is checked here;
        raises InvalidInput where it does not hold, or where a member has no estimator.
        """
        from kilter.automl.export import check, exported

        check_is_fitted(self, "model_")
        pipeline = exported(self.model_, not hasattr(self, "feature_names_in_"))
        if X is not None:
            check(pipeline, self, X)
        return pipeline

    def __getstate__(self) -> dict[str, Any]:
        """Without the table and the study, which may be large or of this process."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "outcome_"}

    def _predictions(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def _settings(self) -> Settings:
        """The parameters, checked."""
        own = self.get_params(deep=False)
        if own["preset"] not in PRESETS:
            raise UnknownName.of("preset", own["preset"], PRESETS)
        if own["max_predict_ms"] is not None:
            _positive("max_predict_ms", own["max_predict_ms"])
        _members(own["members"])
        if own.get("threshold", "auto") != "auto" and not 0 < _positive("threshold", own["threshold"]) < 1:
            raise InvalidInput(f"threshold={own['threshold']!r}: give 'auto' or a probability between 0 and 1")
        return Settings(
            is_classifier=isinstance(self, ClassifierMixin),
            time_limit=_seconds(own["time_limit"], own["n_models"]),
            n_models=None if own["n_models"] is None else _count("n_models", own["n_models"]),
            metric=own["metric"],
            preset=own["preset"],
            members=own["members"],
            folds=own["folds"],
            memory_limit=_bytes(own["memory_limit"], own["n_models"]),
            threshold=own.get("threshold", "auto"),
            class_weight=own.get("class_weight"),
            columns={str(name): kind for name, kind in dict(own["columns"] or {}).items()},
            n_jobs=_jobs(own["n_jobs"]),
            random_state=_seed(own["random_state"]),
            storage=own["storage"],
            study_name=own["study_name"],
            verbose=sys.stderr.isatty() if own["verbose"] == "auto" else bool(own["verbose"]),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.non_deterministic = self.n_models is None  # what ends in time depends on it
        return tags


class Classifier(ClassifierMixin, AutoEstimator):  # type: ignore[misc]
    """An ensemble for labels, found within a time that is kept.

    time_limit: seconds of `fit`, all in; "auto" is 60, or none with n_models.
    n_models: so many configurations instead: then the result is a function of data and seed.
    metric: "auto" (roc_auc of two classes, log_loss of more), a name of scikit-learn's scorers, or a scorer.
    preset: "fast" (a hold-out), "balanced", or "best" (more folds).
    members: "auto", or names and own members (kilter.automl.members).
    folds: "auto" by rows, a number, or a splitter, such as one by time.
    columns: kinds of columns by name, where they are not what they seem: number, category, text, date or drop.
    max_predict_ms: milliseconds that 1,000 rows may take to predict; members are dropped until it holds.
    memory_limit: bytes; "auto" is half of what is free or, with n_models, of what the machine has.
    threshold: "auto", or the probability from which on the second of two classes is predicted.
    class_weight: None, "balanced", or weights by class.
    n_jobs: threads that fit at the same time; -1 is one for each core.
    random_state: a number, for everything that chance decides.
    storage, study_name: where the study is kept, to go on after an end and to share it with other processes.
    verbose: "auto" shows progress on a terminal.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"size": [1, 2, 3, 4] * 10, "sold": ["no", "no", "yes", "yes"] * 10})
    >>> model = Classifier(n_models=1, random_state=0).fit(frame, "sold")
    >>> model.predict(pd.DataFrame({"size": [1, 4]})).tolist()
    ['no', 'yes']
    """

    @answers_other_words
    def __init__(
        self,
        *,
        time_limit: float | str | None = "auto",
        n_models: int | None = None,
        metric: Any = "auto",
        preset: str = "balanced",
        members: Any = "auto",
        folds: Any = "auto",
        columns: Mapping[str, str] | None = None,
        max_predict_ms: float | None = None,
        memory_limit: float | str = "auto",
        threshold: float | str = "auto",
        class_weight: Any = None,
        n_jobs: int = 1,
        random_state: Any = 0,
        storage: Any = None,
        study_name: str | None = None,
        verbose: bool | str = "auto",
    ) -> None:
        self.time_limit = time_limit
        self.n_models = n_models
        self.metric = metric
        self.preset = preset
        self.members = members
        self.folds = folds
        self.columns = columns
        self.max_predict_ms = max_predict_ms
        self.memory_limit = memory_limit
        self.threshold = threshold
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.storage = storage
        self.study_name = study_name
        self.verbose = verbose

    def predict(self, X: Any) -> np.ndarray:
        """The labels (n,): those of the larger probability, or of the threshold."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[self.model_.places(probabilities)])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, k) of `classes_`."""
        return self._predictions(X)

    @property
    def threshold_(self) -> float:
        """The probability from which on the second of two classes is predicted."""
        check_is_fitted(self, "model_")
        return self.model_.threshold

    def _say(self, has_names: bool) -> None:
        super()._say(has_names)
        self.classes_ = np.array(self.model_.task.classes)


class Regressor(RegressorMixin, AutoEstimator):  # type: ignore[misc]
    """An ensemble for numbers, found within a time that is kept. Its parameters are those of Classifier.

    metric: "auto" is r2.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"size": range(40), "price": range(40)})
    >>> model = Regressor(n_models=1, members=["linear"]).fit(frame, "price")
    >>> model.predict(pd.DataFrame({"size": [10.0]})).round(1).tolist()
    [10.0]
    """

    @answers_other_words
    def __init__(
        self,
        *,
        time_limit: float | str | None = "auto",
        n_models: int | None = None,
        metric: Any = "auto",
        preset: str = "balanced",
        members: Any = "auto",
        folds: Any = "auto",
        columns: Mapping[str, str] | None = None,
        max_predict_ms: float | None = None,
        memory_limit: float | str = "auto",
        n_jobs: int = 1,
        random_state: Any = 0,
        storage: Any = None,
        study_name: str | None = None,
        verbose: bool | str = "auto",
    ) -> None:
        self.time_limit = time_limit
        self.n_models = n_models
        self.metric = metric
        self.preset = preset
        self.members = members
        self.folds = folds
        self.columns = columns
        self.max_predict_ms = max_predict_ms
        self.memory_limit = memory_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.storage = storage
        self.study_name = study_name
        self.verbose = verbose

    def predict(self, X: Any) -> np.ndarray:
        """The values (n,)."""
        return self._predictions(X)


def _has_names(X: Any) -> bool:
    """Whether a table says how its columns are called; what lists and arrays do not."""
    return hasattr(X, "columns") or (isinstance(X, Sequence) and len(X) > 0 and isinstance(X[0], Mapping))


def _is_kept(name: str, value: Any) -> bool:
    """Whether a file keeps a parameter: plain values, and not where the study is, which may hold a password."""
    try:
        return name not in ("storage", "study_name") and json.loads(json.dumps(value)) == value
    except (TypeError, ValueError):  # a scorer, a splitter, an own member
        return False


def _seconds(time_limit: Any, n_models: Any) -> float | None:
    if time_limit == "auto":
        return TIME_LIMIT if n_models is None else None
    if time_limit is None and n_models is None:
        raise InvalidInput("give time_limit=, in seconds, or n_models=: nothing else ends a fit")
    if time_limit is not None and n_models is not None:
        raise InvalidInput("give time_limit= or n_models=, not both: a number of models depends on no clock")
    return None if time_limit is None else _positive("time_limit", time_limit)


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise InvalidInput(f"{name}={value!r}: give a number above 0")
    return float(value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidInput(f"{name}={value!r}: give a whole number from 1 on")
    return int(value)


def _jobs(n_jobs: Any) -> int:
    """As in scikit-learn: None is 1, and -1 all cores."""
    if n_jobs == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if n_jobs is None else _count("n_jobs", n_jobs)


def _members(members: Any) -> None:
    if isinstance(members, str) and members != "auto":
        raise InvalidInput(f"members={members!r}: give 'auto' or a list, as in members=[{members!r}]")
    if not isinstance(members, (str, Sequence)) or not len(members):
        raise InvalidInput(f"members={members!r}: give 'auto' or a list of at least one member")


def _bytes(memory_limit: Any, n_models: Any) -> int:
    """What is free depends on other programs, and so would which rows are learned from."""
    if memory_limit == "auto":
        import psutil

        memory = psutil.virtual_memory()
        return int((memory.available if n_models is None else memory.total) // 2)
    if isinstance(memory_limit, str):
        raise InvalidInput(f"memory_limit={memory_limit!r}: give 'auto' or a number of bytes, as 2e9")
    return int(_positive("memory_limit", memory_limit))


def _seed(random_state: Any) -> int:
    """A seed; of a generator, or of None, one that it draws."""
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if random_state < 0:
            raise InvalidInput(f"random_state={random_state}: give a whole number from 0 on, or None")
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError:
        raise InvalidInput(f"random_state={random_state!r}: give a whole number from 0 on, or None") from None
