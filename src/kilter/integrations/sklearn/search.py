"""KilterSearchCV: scikit-learn's steps of a search, and between them the loop of any study."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV, check_cv
from sklearn.model_selection._validation import _insert_error_scores, _warn_or_raise_about_fit_failures
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_method_params, _num_samples, indexable

from kilter.analysis.design import Design, Part
from kilter.analysis.estimate import estimate
from kilter.api import Study, create_study
from kilter.api.nesting import run_outer
from kilter.api.running import executor_of
from kilter.core.attributes import CONFIRMS, DEFAULT, EVALUATION
from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.core.limits import Limits
from kilter.core.space import Config, Space
from kilter.core.vocabulary import answers_other_words
from kilter.engine.ending import EndKind
from kilter.evaluation.estimators import blind, perfect, worst
from kilter.evaluation.outer import Nested
from kilter.integrations.distributions import Candidates
from kilter.integrations.fit_callbacks import FitCallbacks
from kilter.integrations.fold_results import folds_of, metrics_of, result_of, row_of
from kilter.integrations.folds import SCORE, Folds
from kilter.integrations.sklearn.digest import content, described, digest
from kilter.integrations.sklearn.fits import Data, Fit, workers_for
from kilter.integrations.sklearn.nesting import SearchInside
from kilter.schedulers.race import RaceScheduler

TASK = "task"
"""The attribute of a study that describes what it is tuned on."""

TABLED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.PAUSED)
"""Trials that may be a row of `cv_results_`."""


class KilterSearchCV(RandomizedSearchCV):  # type: ignore[misc]  # scikit-learn is untyped
    """Search with cross-validation whose candidates are chosen by what the ones before have scored.

    What RandomizedSearchCV has, this has with the same meaning: its arguments, methods and attributes. Different are:

    param_distributions   may also hold kilter's parameters, with conditions (`.when`), or be a kilter.Space; see
                          kilter.integrations.distributions. A Choice of estimators chooses a step of a pipeline. No
                          candidate is tried twice, so a finite space may end the search early, with a warning.
    n_iter                candidates in total; those that a stored study has already count
    refit                 with several metrics, candidates are chosen for the one that it names, else for the first
    cv                    is split once, so that all candidates meet the same folds; may be one of kilter.evaluation
    pre_dispatch          has no effect: a candidate is chosen when a worker is free, with all results there are
    random_state          seeds the choice of candidates

    sampler               who chooses, "auto", "tpe", … or a sampler of kilter's; with "random", scikit-learn's
                          distributions give the very candidates of RandomizedSearchCV with the same random_state
    choose                which candidate is the best: "best_score", scikit-learn's best mean, or "winner": the one that
                          study_.winner() names, which weighs how much of a good mean is luck, and keeps the estimator
                          as it is where nothing beats it beyond noise. best_score_ is its mean, so not always the
                          largest one.
    scheduler             "race" ends candidates that have hardly a chance left to beat the best one, after any fold;
                          None runs every candidate on all folds. Those that were ended have NaN for the folds they
                          lack, and for the mean, come last in the ranking, and are never the best.
    first                 how many folds, of those that cv gives, a candidate is scored on; None for all. The others are
                          for leading candidates, which scheduler="race" measures again, and then counts in n_iter
                          again: cv=Repeated(CrossValidation(5), 3), first=5. Means and ranks are of the first folds,
                          which all have; the winner and the estimate know the others too.
    storage, study_name   keep the study, as in "sqlite:///study.db": a later fit goes on with it, and several
                          processes can fit at once. It is refused for other data, folds, scoring or estimator.
    timeout               seconds after which no fold is started; in processes those that run are ended, in this one
                          waited for. Candidates that were cut go on in a later fit of a stored study.
    transfer              whom to learn from, as kilter.create_study has it: "auto" takes studies of the storage with
                          the same estimator, scoring and most of the parameters, and nobody where there is none.

    The estimator's own parameters are the first candidate where they lie in the space, so the best one is not worse. A
    space of at most n_iter candidates is tried whole, in its order, unless there is a timeout.

    After fit, `estimate_` says what the best candidate will score on new data, corrected for the luck of having been
    chosen, `winner_` whom the study would take and why, and `overtuning_` what the largest mean owes to luck and since
    when candidates did not pay. `study_` is the kilter.Study (not kept when the search is pickled) and `trials_` has a
    dict for each row of `cv_results_`: number, state, score, folds (how many were scored), seconds of its fits,
    failure. After Ctrl-C the running candidates are finished, after a second one ended; then `cv_results_` and the best
    candidate are set as far as there are any, nothing is refitted, and KeyboardInterrupt is raised.

    Raises InvalidInput for distributions that stand for nothing and for a study of something else, NotReady where no
    candidate was finished in time, and what RandomizedSearchCV raises.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> search = KilterSearchCV(SVC(), {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}, n_iter=6, cv=3)
    >>> search.fit(*load_iris(return_X_y=True)).best_params_
    {'C': 1, 'kernel': 'linear'}
    """

    _parameter_constraints = {
        **RandomizedSearchCV._parameter_constraints,
        "param_distributions": [dict, list, Space],
        "choose": [StrOptions({"best_score", "winner"})],
        "first": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="left"), None],
    }

    @answers_other_words
    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        sampler: Any = "auto",
        choose: str = "best_score",
        first: int | None = None,
        scheduler: Any = None,
        storage: Any = None,
        study_name: str | None = None,
        timeout: float | None = None,
        transfer: Any = "auto",
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.sampler = sampler
        self.choose = choose
        self.first = first
        self.scheduler = scheduler
        self.storage = storage
        self.study_name = study_name
        self.timeout = timeout
        self.transfer = transfer

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "study_"}  # it holds locks and files

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> KilterSearchCV:  # noqa: N803 - scikit-learn's name
        """Search, and refit the best candidate on all rows.

        `X` (n, …) and `y` (n,) or (n, outputs) or None; `params` go to the estimator's fit, the scorer and the
        splitter, as in RandomizedSearchCV.
        """
        if self.choose == "winner" and callable(self.refit):
            raise InvalidInput("choose='winner' and a callable refit both say which candidate is the best: give one")
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)  # noqa: N806
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        told = FitCallbacks(self, X, y, params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **routed.splitter.split)
        splits = list(cv.split(X, y, **routed.splitter.split))
        if not splits:
            raise ValueError("No fits were performed. Was the CV iterator empty? Were there no candidates?")
        if len(splits) != self.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {self.n_splits_} splits, got {len(splits)}"
            )
        if self._first_folds > len(splits):
            raise InvalidInput(f"first={self.first}: cv has {len(splits)} folds")
        data = Data(X, y, splits, routed.estimator.fit, routed.scorer.score)
        candidates = Candidates.of(self.param_distributions)
        study, total = self._study(candidates, data, self._design(data, scorers, refit_metric))
        fit = Fit(
            clone(self.estimator),
            data,
            {
                "scorer": scorers,
                "return_train_score": self.return_train_score,
                "return_n_test_samples": True,
                "return_times": True,
                "return_parameters": False,
                "error_score": self.error_score,
                "verbose": self.verbose,
            },
        )
        interrupted = self._search(study, total, candidates, fit, told)
        self.study_ = study
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        with suppress(ValueError, NotReady) if interrupted else nullcontext():  # there may be too little for a table
            self._tabulate(study, candidates)
            self._choose(study, refit_metric)
        if interrupted:
            raise KeyboardInterrupt
        if self.refit:
            self._refit(X, y, routed.estimator.fit, told)
        told.end()
        return self

    def nested(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        outer: Any = 5,
        *,
        level: float = 0.9,
        workers: int = 1,
        executor: Any = None,
        progress: str = "auto",
        **params: Any,
    ) -> Nested:
        """Nested cross-validation: what this search, fitted on some rows, comes to on rows that it has not seen.

        `outer` is a number of folds or a splitter, of scikit-learn or of kilter.evaluation; for each of its folds a
        clone of the search is fitted on the training rows and scored on the others, as by cross_val_score. `params` go
        to `fit`. So many `workers` (-1 means one a core), or the `executor`, run outer folds at the same time, in
        processes of their own. With a `storage` of the search the same call goes on where it was left off. The
        intervals of what it returns, a kilter.evaluation.outer.Nested, hold the expectation with probability `level`.

        >>> from sklearn.datasets import load_iris
        >>> from sklearn.svm import SVC
        >>> search = KilterSearchCV(SVC(), {"C": [0.1, 1, 10]}, n_iter=3, cv=3)
        >>> round(search.nested(*load_iris(return_X_y=True), outer=3, progress="none").mean, 2)
        0.97
        """
        search = SearchInside.of(self, X, y, outer, params)
        return run_outer(search, self.storage, executor_of(executor, workers, None), level, progress)

    def _study(self, candidates: Candidates, data: Data, design: Design) -> tuple[Study, int]:
        """A new study, or the stored one, checked to be of the same search; and how many trials it should have."""
        state = check_random_state(self.random_state)
        drawn = self._drawn(candidates, state) if self.sampler == "random" else None
        size = candidates.space.size
        if drawn is None and size < self.n_iter:
            warnings.warn(
                f"The total space of parameters {int(size)} is smaller than n_iter={self.n_iter}. "
                f"Running {int(size)} iterations. For exhaustive searches, use GridSearchCV.",
                UserWarning,
                stacklevel=4,
            )
        study = create_study(
            storage=self.storage,
            study_name=self.study_name or (None if self.storage is None else type(self.estimator).__name__),
            load_if_exists=True,
            sampler=self.sampler,
            scheduler=self._scheduler(),
            directions={SCORE: "maximize"},
            space=candidates.space,
            transfer=self.transfer,
            tags={"estimator": type(self.estimator).__name__, "scoring": _name_of(self.scoring)},
            seed=int(state.randint(np.iinfo(np.int32).max)),
        )
        if self.storage is not None:
            self._check_same(study, data)
        if TASK not in study.system_attrs:
            study.set_system_attr(TASK, described(data.X, data.y, is_classifier(self.estimator)))
        if study.user_attrs.get(EVALUATION) != design.to_json():
            study.set_user_attr(EVALUATION, design.to_json())
        own = candidates.config(self.estimator.get_params())
        if drawn is None:
            queue = [] if study.trials else self._first(candidates, own)
            total = int(min(size, self.n_iter))
        else:
            queue, total = drawn, len(drawn)
            for trial in study.history:  # a longer search draws the same ones first
                if trial.params in queue:
                    queue.remove(trial.params)
        for config in queue[: total - len(study.trials)]:
            study.enqueue_trial(candidates.space.values(config), {DEFAULT: True} if config == own else None)
        return study, total

    def _scheduler(self) -> Any:
        """A race has nothing to measure again where candidates are scored on all folds."""
        if self.scheduler == "race" and self.first is None:
            return RaceScheduler(repeats=0.0)
        return self.scheduler or "fifo"

    def _design(self, data: Data, scorers: Any, refit_metric: Any) -> Design:
        """The folds, for whoever weighs their scores, and what a perfect model would score by the metric."""
        rows = np.arange(_num_samples(data.X))
        parts = [Part(k, train=len(rows[train]), test=len(rows[test])) for k, (train, test) in enumerate(data.splits)]
        named = scorers._scorers if isinstance(scorers, _MultimetricScorer) else {refit_metric: scorers}
        scorer = named.get(self.refit if isinstance(self.refit, str) else None, next(iter(named.values())))
        ideal = perfect(scorer)
        arrays = [each for each in (data.X, data.y) if each is not None]
        pairs = ([[_safe_indexing(each, rows) for each in arrays] for rows in split] for split in data.splits)
        unaware = None if ideal is None else blind(self.estimator, scorer, pairs)
        return Design(tuple(parts), first=self.first, perfect=ideal, worst=worst(scorer), blind=unaware)

    def _first(self, candidates: Candidates, own: Config | None) -> list[Config]:
        """All of a space that will be tried whole, in order; else the estimator as it is, where it is in the space."""
        if candidates.space.size <= self.n_iter and self.timeout is None:
            return list(candidates.space.grid(self.n_iter))
        return [] if own is None else [own]

    def _drawn(self, candidates: Candidates, state: np.random.RandomState) -> list[Config] | None:
        """The candidates of RandomizedSearchCV; None where it could not draw them, or we not see what was drawn."""
        if not candidates.can_be_drawn:
            return None
        drawn = [
            candidates.config(params)
            for params in ParameterSampler(self.param_distributions, self.n_iter, random_state=state)
        ]
        return None if None in drawn else drawn  # type: ignore[return-value]

    def _check_same(self, study: Study, data: Data) -> None:
        """Scores of a stored study are compared with new ones, so they have to be of the same thing."""
        told = {
            "data": digest((content(data.X), content(data.y))),
            "fit parameters": digest((data.fit_params, data.score_params)),
            "folds": digest(data.splits if self.first is None else (data.splits, self.first)),
            "estimator": digest(clone(self.estimator)),  # without what it may have learned meanwhile
            "scoring": digest((self.scoring, self.refit, self.return_train_score, str(self.error_score))),
        }
        known = study.user_attrs.get("search")
        if known is None:
            study.check_definition(self._definition)
            study.set_user_attr("search", told)
            return
        changed = [name for name in told if known.get(name) != told[name]]
        if changed:
            hint = "; give cv= a random_state to have the same folds again" if "folds" in changed else ""
            raise InvalidInput(
                f"the study {study.study_name!r} in {self.storage!r} was made with other {', '.join(changed)}: its "
                f"scores cannot be compared with new ones; choose another study_name{hint}"
            )

    @property
    def _definition(self) -> Definition:
        """What a study remembers of it, so that no other objective goes on with its scores; more is in `search`."""
        return Definition(type(self).__name__, values={"search": f"for {type(self.estimator).__name__}"})

    def _search(self, study: Study, total: int, candidates: Candidates, fit: Fit, told: FitCallbacks) -> bool:
        """Run the study's loop; whether the user broke it off."""
        first = self._first_folds
        left = max(total - sum(trial.state.is_finished() for trial in study.trials), 0)
        if self.verbose > 0:
            print(  # noqa: T201 - where scikit-learn's searches print it
                f"Fitting {first} folds for each of {left} candidates, totalling {left * first} fits"
            )
        with told.searching(left * first) as contexts, workers_for(self.n_jobs, fit) as workers:

            def begin(number: int, params: dict[str, Any], fold: int) -> Future[Any]:
                progress = {"split_progress": (fold, self.n_splits_), "candidate_progress": (number, total)}
                return workers.futures.submit(workers.fit, params, fold, **progress, **contexts())  # type: ignore[no-any-return]

            folds = Folds(
                begin,
                workers.slots,
                lambda task: self.n_splits_ if CONFIRMS in task.attrs else first,
                candidates.params,
                lambda out: (metrics_of(out, self.refit), out["fit_error"]),
                lambda number: folds_of(study, number),
            )
            try:
                limits = Limits(trials=total, seconds=self.timeout, failures=None)
                return (
                    study.run(folds, limits, catch=(), progress="none", definition=self._definition).kind
                    is EndKind.STOPPED
                )
            except KeyboardInterrupt:
                return True
            finally:
                if folds.are_running:
                    workers.kill()

    def _tabulate(self, study: Study, candidates: Candidates) -> None:
        """Set `cv_results_` and `trials_` from the study's log."""
        rows, outs = self._measured(study)
        if not rows:
            raise NotReady(
                f"no candidate was finished within the timeout of {self.timeout} s: give more time, or begin with a "
                "cheaper estimator"
                if self.timeout is not None
                else "no fits were performed: the search was ended before the first candidate"
            )
        known = [out for out in outs if not np.isnan(out["fit_time"])]
        _warn_or_raise_about_fit_failures(known, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(known, self.error_score)
        first = known[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if self.multimetric_:
            for out in outs:
                for name in {"test_scores", "train_scores"} & out.keys():
                    if not isinstance(out[name], dict):  # of a fold that was not run
                        out[name] = dict.fromkeys(first, np.nan)
        whole = np.array([row["folds"] >= self._first_folds for row in rows])
        if not whole.any():
            raise NotReady(
                f"none of {len(rows)} candidates was scored on all {self._first_folds} folds, so none is the best: "
                f"give more time, or a milder scheduler than {self.scheduler!r}"
            )
        params = [candidates.params(study.history[row["number"]].params) for row in rows]
        with warnings.catch_warnings():
            if not whole.all() and all(np.isfinite(row["score"]) for row, is_whole in zip(rows, whole) if is_whole):
                warnings.filterwarnings("ignore", "One or more of the", UserWarning)  # NaN only of those ended early
            results = self._formatted(params, outs)
        for name in results:
            if name.startswith("rank_test_"):
                results[name][~whole] = whole.sum() + 1
        self.cv_results_, self.trials_ = results, rows

    def _measured(self, study: Study) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A row for each candidate, and what scikit-learn's fits would have returned, for each of all folds.

        What trials that confirm a candidate have measured is in its row.
        """
        rows, outs = [], []
        found = [trial for trial in study.get_trials(states=TABLED) if folds_of(study, trial.number)]
        again = [trial for trial in found if CONFIRMS in trial.user_attrs]
        for trial in found:
            if CONFIRMS in trial.user_attrs:
                continue
            folds: dict[Any, dict[str, float]] = {}
            errors: dict[str, str] = {}
            for each in [trial, *(other for other in again if other.user_attrs[CONFIRMS] == trial.number)]:
                folds |= folds_of(study, each.number)
                errors |= each.user_attrs.get("fit_errors", {})
            outs += [
                result_of(folds.get(fold), errors.get(str(fold)), self.return_train_score, callable(self.scoring))
                for fold in range(self.n_splits_)
            ]
            rows.append(row_of(trial, folds))
        return rows, outs

    def _formatted(self, params: list[dict[str, Any]], outs: list[dict[str, Any]]) -> dict[str, Any]:
        """scikit-learn's table: means are over the first folds, which all candidates are to be scored on."""
        first, count = self._first_folds, self.n_splits_
        results: dict[str, Any] = self._format_results(
            params, first, [o for i, o in enumerate(outs) if i % count < first]
        )
        if first < count:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # there are scores of few candidates
                more = self._format_results(params, count, outs)
            results |= {name: more[name] for name in more if name.startswith("split") and name not in results}
        return results

    @property
    def _first_folds(self) -> int:
        return self.n_splits_ if self.first is None else self.first

    def _choose(self, study: Study, refit_metric: Any) -> None:
        """Set `best_index_`, and what follows from it."""
        results = self.cv_results_
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(self._names())
            refit_metric = self.refit
        if not self.refit and self.multimetric_:
            return
        if self.choose == "winner":
            number = study.winner().number
            self.best_index_ = next(i for i, row in enumerate(self.trials_) if row["number"] == number)
        else:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]
        number = self.trials_[self.best_index_]["number"]
        if study.history[number].state is TrialState.COMPLETE:
            self.winner_ = study.winner()
            self.estimate_ = estimate(study.history, study.design, number)
            self.overtuning_ = study.overtuning()

    def _names(self) -> list[str]:
        return [name[len("mean_test_") :] for name in self.cv_results_ if name.startswith("mean_test_")]

    def _refit(self, X: Any, y: Any, fit_params: Mapping[str, Any], told: FitCallbacks) -> None:  # noqa: N803
        """Fit the best candidate on all rows."""
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        self.best_estimator_ = best
        with told.refitting(best):
            began = time.time()
            best.fit(X, **fit_params) if y is None else best.fit(X, y, **fit_params)
            self.refit_time_ = time.time() - began
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_


def _name_of(scoring: Any) -> str:
    """What a scoring is called, to tell searches apart that are scored otherwise."""
    if isinstance(scoring, (list, tuple, set, Mapping)):
        return ",".join(sorted(map(str, scoring)))
    return str(getattr(scoring, "__name__", None) or scoring)
