"""Studies in MLflow: a run for the study, and under it a run for each trial.

    from kilter.integrations.mlflow import MLflowTracker

    kilter.tune(train, space, n_trials=50, observers=[MLflowTracker("sqlite:///mlflow.db")])

A study that goes on later, or in several processes, goes on in the same runs: they are found by the tag `kilter.id`.
Only MLflow's client is used, never its active run, so that an objective may have one of its own.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from kilter.core.errors import needed
from kilter.core.events import TrialState
from kilter.core.parameter import Plain
from kilter.integrations.tracking import PATIENCE, TICK, Numbered, Row, TrackedTrial, Tracker, text

with needed("mlflow-skinny sqlalchemy alembic", "kilter.integrations.mlflow"):
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from mlflow.tracking.context.registry import resolve_tags

STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.WAITING: "SCHEDULED",
    TrialState.PAUSED: "SCHEDULED",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}
"""How a trial's state reads in MLflow; the tag kilter.state has our own word."""

LONGEST = 5000
"""Characters of a parameter or tag that every version of MLflow keeps."""
MOST_METRICS, MOST_PARAMS = 800, 100
"""How many MLflow takes at once; tags are as few as parameters, and all together at most 1,000."""

NO_ADDRESS = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"

AGREEMENT = 10.0
"""Seconds after which a worker that was about to open the study's run is taken to be gone."""


@dataclass
class Unwritten:
    """What a run is to be told by the next request."""

    metrics: list[Any] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    tags: list[Any] = field(default_factory=list)


class MLflowTracker(Tracker):
    """Shows a study in MLflow; an Observer, for `observers=` of tune or for `study.observed`.

    `tracking_uri` is a server, folder or database, by default the one that MLflow is set to; `experiment` is by default
    the study's name. A trial's run has its parameters, its metrics by step, its attributes as tags, its study, trial,
    attempt, state, parent, budget and failure as tags kilter.…, and the status FINISHED, KILLED (pruned), FAILED, or
    SCHEDULED (paused, or to be tried again). The study's run has the best value so far, over the number of the newest
    trial, and its directions, sampler, scheduler and seed as tags kilter.….

    >>> MLflowTracker("sqlite:///mlflow.db", experiment="digits")
    MLflowTracker('sqlite:///mlflow.db', experiment='digits')
    """

    def __init__(self, tracking_uri: str | None = None, experiment: str | None = None) -> None:
        super().__init__()
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self._client: Any = None
        self._experiment_id = ""
        self._study_run = ""
        self._runs: dict[int, str] = {}
        """The runs of the trials that have not ended."""
        self._best: float | None = None
        self._stamp = 0
        """When metrics were last logged, in milliseconds since the epoch."""
        self._unwritten: defaultdict[str, Unwritten] = defaultdict(Unwritten)
        """By the run: a request takes its time, so there is one for all that an event says."""

    def __repr__(self) -> str:
        return f"MLflowTracker({self.tracking_uri!r}, experiment={self.experiment!r})"

    def run_id(self, trial: Numbered) -> str:
        """The id of a trial's run, for what the objective logs itself, in whichever process it runs.

            with mlflow.start_run(run_id=tracker.run_id(trial)):
                mlflow.log_artifact("confusion.png")

        Raises NotReady where there is no such run within a minute, or the tracker has failed.
        """
        if self._client is None:  # its thread has not come so far, or this is a copy, which has none
            self._client = self._opened()
        name, identity = self.experiment or self.study.name, self._trial_id(trial.number)

        def find() -> str | None:
            if trial.number in self._runs:
                return self._runs[trial.number]
            experiment = self._client.get_experiment_by_name(name)
            return experiment and self._found(identity, experiment.experiment_id)

        return self.awaited(find, PATIENCE, f"has no run of trial {trial.number} in the experiment {name!r}")

    def begin(self) -> None:
        self._runs = {}
        self._unwritten.clear()
        self._client = self._opened()
        self._experiment_id = self._found_experiment(self.experiment or self.study.name)
        self._study_run = self._agreed()
        self._best = self._logged_best()
        self._client.update_run(self._study_run, status="RUNNING")

    def _opened(self) -> Any:
        # For a database it needs libraries that mlflow-skinny does not bring.
        with needed("mlflow-skinny sqlalchemy alembic", "MLflow's store"):
            return MlflowClient(self.tracking_uri)

    def start(self, trial: TrackedTrial) -> None:
        if trial.attempt == 1 and trial.number not in self._runs:
            self._runs[trial.number] = self._created_trial(trial.number, trial.facts)  # nobody else can have begun it
        else:
            self._client.update_run(self._run(trial.number), status="RUNNING")
            self._tag(self._run(trial.number), _named(trial.facts))

    def know(self, trial: TrackedTrial, params: Mapping[str, Plain]) -> None:
        listed = [Param(_key(name), text(value)[:LONGEST]) for name, value in params.items()]
        self._unwritten[self._run(trial.number)].params += listed

    def report(self, trial: TrackedTrial, rows: Iterable[Row]) -> None:
        now = self._later
        metrics = [Metric(_key(n), v, now, row.step) for row in rows for n, v in row.values.items()]
        self._unwritten[self._run(trial.number)].metrics += metrics

    def end(self, trial: TrackedTrial) -> None:
        run = self._run(trial.number)
        self._tag(run, _named(trial.facts))
        self.flush()
        if trial.state.is_finished():
            with _without_address():
                self._client.set_terminated(run, STATUS[trial.state], self._milliseconds)
            del self._runs[trial.number]
        else:
            self._client.update_run(run, status=STATUS[trial.state])

    def note(self, number: int | None, attrs: Mapping[str, Any]) -> None:
        self._tag(self._study_run if number is None else self._run(number), attrs)

    def best(self) -> float | None:
        return self._best

    def improve(self, trial: TrackedTrial, value: float) -> None:
        best, sign = self._logged_best(), self.study.problem.objectives[0].sign  # other workers log theirs as well
        self._best = value if best is None or sign * value < sign * best else best
        if self._best != best:
            step = max([self.newest, *(logged.step for logged in self._logged_bests())])
            self._unwritten[self._study_run].metrics += [Metric(self._best_key, value, self._later, step)]
            self._tag(self._study_run, {"kilter.best_trial": str(trial.number)})

    def flush(self) -> None:
        """Send what is unwritten."""
        while self._unwritten:
            run, told = self._unwritten.popitem()
            portions: Iterable[Any] = zip_longest(
                _portions(told.metrics, MOST_METRICS),
                _portions(told.params, MOST_PARAMS),
                _portions(told.tags, MOST_PARAMS),
                fillvalue=[],
            )
            for metrics, params, tags in portions:
                self._client.log_batch(run, metrics=metrics, params=params, tags=tags)

    def close(self) -> None:
        """Have the study's run finished, until the study goes on."""
        if self._study_run:
            self._client.set_terminated(self._study_run, "FINISHED")
        super().close()

    def _logged_bests(self) -> list[Any]:
        """What this worker and others have logged as the best value."""
        return list(self._client.get_metric_history(self._study_run, self._best_key))

    def _logged_best(self) -> float | None:
        sign = self.study.problem.objectives[0].sign
        return min((float(best.value) for best in self._logged_bests()), key=lambda value: sign * value, default=None)

    @property
    def _best_key(self) -> str:
        return _key(f"best/{self.study.problem.objectives[0].name}")

    def _found_experiment(self, name: str) -> str:
        known = self._client.get_experiment_by_name(name)
        if known is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another worker was faster
                known = self._client.get_experiment_by_name(name)
                if known is None:
                    raise
        return str(known.experiment_id)

    def _agreed(self) -> str:
        """The study's run: the one that there is, else a new one, the same for all workers that begin at once.

        Each of those makes one, and looks. Who sees no other's gives its own the tag kilter.id, and so it is the one;
        of several that see one another all but the smallest go. MLflow has no lock, but what it has made it shows.
        """
        study, candidate = self.study.id, "kilter.candidate"
        found, until = self._found(study, self._experiment_id), time.monotonic() + AGREEMENT
        mine = "" if found else self._created(self.study.name, {candidate: study, **_named(self.study.facts)})
        while not found:
            rivals = self._tagged(candidate, study, self._experiment_id)
            if rivals == [mine] or time.monotonic() > until:
                found = min(rivals)
                self._client.set_tag(found, "kilter.id", study)
            else:
                if mine and mine != min(rivals):
                    self._client.delete_run(mine)
                    mine = ""
                time.sleep(TICK)
                found = self._found(study, self._experiment_id)
        if mine and mine != found:
            self._client.delete_run(mine)
        return found

    def _run(self, number: int) -> str:
        """The run of a trial: ours, else the one that was begun elsewhere or before, else a new one."""
        if number not in self._runs:
            found = self._found(self._trial_id(number), self._experiment_id)
            self._runs[number] = found or self._created_trial(number, {"trial": str(number)})
        return self._runs[number]

    def _found(self, identity: str, experiment: str) -> str | None:
        runs = self._tagged("kilter.id", identity, experiment)
        return runs[0] if runs else None

    def _tagged(self, key: str, value: str, experiment: str) -> list[str]:
        runs = self._client.search_runs([experiment], f"tags.`{key}` = '{value}'")
        return [str(run.info.run_id) for run in runs]

    def _created_trial(self, number: int, facts: Mapping[str, str]) -> str:
        tags = {"kilter.id": self._trial_id(number), "mlflow.parentRunId": self._study_run}
        return self._created(f"trial {number}", {**tags, **_named({"study": self.study.name, **facts})})

    def _created(self, name: str, tags: Mapping[str, str]) -> str:
        told = resolve_tags({key: value[:LONGEST] for key, value in tags.items()})  # who runs what, and of which commit
        return str(self._client.create_run(self._experiment_id, self._milliseconds, told, run_name=name).info.run_id)

    @property
    def _milliseconds(self) -> int:
        return int(self.time * 1000)

    @property
    def _later(self) -> int:
        """Now, but a millisecond later each time: of two values at a step MLflow shows the later, else the larger."""
        self._stamp = max(self._milliseconds, self._stamp + 1)
        return self._stamp

    def _trial_id(self, number: int) -> str:
        return f"{self.study.id}/{number}"

    def _tag(self, run: str, tags: Mapping[str, Any]) -> None:
        self._unwritten[run].tags += [RunTag(_key(name), text(value)[:LONGEST]) for name, value in tags.items()]


@contextmanager
def _without_address() -> Iterator[None]:
    """Within it MLflow prints no address of a run that ends: one line for the study is enough."""
    given = os.environ.get(NO_ADDRESS)
    os.environ[NO_ADDRESS] = "true"
    try:
        yield
    finally:
        del os.environ[NO_ADDRESS]
        if given is not None:
            os.environ[NO_ADDRESS] = given


def _named(facts: Mapping[str, str]) -> dict[str, str]:
    return {f"kilter.{name}": value for name, value in facts.items()}


def _key(name: str) -> str:
    """The name in the characters that every version of MLflow takes, and not like a path upwards."""
    parts = [part for part in re.sub(r"[^\w\-. /]", "_", name)[:250].split("/") if part.strip(".")]
    return "/".join(parts) or "_"


def _portions(listed: list[Any], size: int) -> Iterable[list[Any]]:
    return (listed[i : i + size] for i in range(0, len(listed), size))
