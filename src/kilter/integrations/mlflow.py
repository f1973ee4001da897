"""Studies in MLflow: a run for the study, and under it a run for each trial.

    from kilter.integrations.mlflow import MLflowTracker

    kilter.tune(train, space, n_trials=50, observers=[MLflowTracker("sqlite:///mlflow.db")])

A study that goes on later, or in several processes, goes on in the same runs: they are found by the tag `kilter.id`.
Only MLflow's client is used, never its active run, so that an objective may have one of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kilter.core.errors import needed
from kilter.core.events import TrialState
from kilter.core.parameter import Plain
from kilter.integrations.tracking import Row, TrackedTrial, Tracker, text

with needed("mlflow", "kilter.integrations.mlflow"):
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

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
MOST_METRICS, MOST_PARAMS = 1000, 100
"""How many MLflow takes at once; tags are as few as parameters."""


class MLflowTracker(Tracker):
    """Shows a study in MLflow; an Observer, for `observers=` of tune or for `study.observed`.

    `tracking_uri` is a server, folder or database, by default the one that MLflow is set to; `experiment` is by default
    the study's name. A trial's run has its parameters, its metrics by step, its attributes as tags, its trial, attempt,
    state, parent, budget and failure as tags kilter.…, and the status FINISHED, KILLED (pruned), FAILED, or SCHEDULED
    (paused, or to be tried again). The study's run has the best value so far, over the number of the newest trial.

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
        self._stamp = 0
        """When metrics were last logged, in milliseconds since the epoch."""

    def __repr__(self) -> str:
        return f"MLflowTracker({self.tracking_uri!r}, experiment={self.experiment!r})"

    def begin(self) -> None:
        study = self.study
        self._runs = {}
        self._client = MlflowClient(self.tracking_uri)
        self._experiment_id = self._found_experiment(self.experiment or study.name)
        found = self._found(study.id)
        self._study_run = found or self._created(study.id, study.name, {"kilter.study": study.name})
        self._client.update_run(self._study_run, status="RUNNING")

    def start(self, trial: TrackedTrial) -> None:
        if trial.attempt == 1 and trial.number not in self._runs:
            self._runs[trial.number] = self._created_trial(trial.number)  # nobody else can have begun it
        run = self._run(trial.number)
        self._client.update_run(run, status="RUNNING")
        self._tag(run, _named(trial.facts))

    def know(self, trial: TrackedTrial, params: Mapping[str, Plain]) -> None:
        listed = [Param(_key(name), text(value)[:LONGEST]) for name, value in params.items()]
        for some in _portions(listed, MOST_PARAMS):
            self._client.log_batch(self._run(trial.number), params=some)

    def report(self, trial: TrackedTrial, rows: Iterable[Row]) -> None:
        now = self._later
        metrics = [Metric(_key(n), v, now, row.step) for row in rows for n, v in row.values.items()]
        for some in _portions(metrics, MOST_METRICS):
            self._client.log_batch(self._run(trial.number), metrics=some)

    def end(self, trial: TrackedTrial) -> None:
        run = self._run(trial.number)
        self._tag(run, _named(trial.facts))
        if trial.state.is_finished():
            self._client.set_terminated(run, STATUS[trial.state], self._milliseconds)
            del self._runs[trial.number]
        else:
            self._client.update_run(run, status=STATUS[trial.state])

    def note(self, number: int | None, attrs: Mapping[str, Any]) -> None:
        self._tag(self._study_run if number is None else self._run(number), attrs)

    def best(self) -> float | None:
        sign = self.study.problem.objectives[0].sign
        return min((float(best.value) for best in self._bests), key=lambda value: sign * value, default=None)

    def improve(self, trial: TrackedTrial, value: float) -> None:
        step = max([self.newest, *(best.step for best in self._bests)])
        best = Metric(self._best_key, value, self._later, step)
        tags = [RunTag("kilter.best_trial", str(trial.number))]
        self._client.log_batch(self._study_run, metrics=[best], tags=tags)

    def close(self) -> None:
        """Have the study's run finished, until the study goes on."""
        if self._study_run:
            self._client.set_terminated(self._study_run, "FINISHED")

    @property
    def _bests(self) -> list[Any]:
        """What this worker and others have logged as the best value."""
        return list(self._client.get_metric_history(self._study_run, self._best_key))

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

    def _run(self, number: int) -> str:
        """The run of a trial: ours, else the one that was begun elsewhere or before, else a new one."""
        if number not in self._runs:
            self._runs[number] = self._found(self._trial_id(number)) or self._created_trial(number)
        return self._runs[number]

    def _found(self, identity: str) -> str | None:
        runs = self._client.search_runs([self._experiment_id], f"tags.`kilter.id` = '{identity}'", max_results=1)
        return runs[0].info.run_id if runs else None

    def _created_trial(self, number: int) -> str:
        return self._created(self._trial_id(number), f"trial {number}", {"mlflow.parentRunId": self._study_run})

    def _created(self, identity: str, name: str, tags: Mapping[str, str]) -> str:
        tags = {"kilter.id": identity, **tags}
        run = self._client.create_run(self._experiment_id, self._milliseconds, tags, run_name=name)
        return str(run.info.run_id)

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
        listed = [RunTag(_key(name), text(value)[:LONGEST]) for name, value in tags.items()]
        for some in _portions(listed, MOST_PARAMS):
            self._client.log_batch(run, tags=some)


def _named(facts: Mapping[str, str]) -> dict[str, str]:
    return {f"kilter.{name}": value for name, value in facts.items()}


def _key(name: str) -> str:
    """The name in the characters that every version of MLflow takes, and not like a path upwards."""
    parts = [part for part in re.sub(r"[^\w\-. /]", "_", name)[:250].split("/") if part.strip(".")]
    return "/".join(parts) or "_"


def _portions(listed: list[Any], size: int) -> Iterable[list[Any]]:
    return (listed[i : i + size] for i in range(0, len(listed), size))
