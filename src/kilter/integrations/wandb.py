"""Studies in Weights & Biases: a group of runs, one for each trial and one for the study.

    from kilter.integrations.wandb import WandbTracker

    kilter.tune(train, space, n_trials=50, observers=[WandbTracker("digits")])

Runs have ids of their own study and trial, so that a study that goes on later goes on in the same runs. None of them is
wandb.run. An objective that has a run of its own opens it by `wandb.init(reinit="create_new")`: without that W&B hands
out, or ends, one that is open already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NoReturn

from kilter.core.errors import NotReady, needed
from kilter.core.events import TrialState
from kilter.core.parameter import Plain
from kilter.integrations.tracking import PATIENCE, Numbered, Row, TrackedTrial, Tracker

with needed("wandb", "kilter.integrations.wandb"):
    import wandb


class WandbTracker(Tracker):
    """Shows a study in Weights & Biases; an Observer, for `observers=` of tune or for `study.observed`.

    `mode` is "online", "offline" (to sync later) or None for what WANDB_MODE says; `directory` is where local files go.
    A trial's run has its parameters as its config, its metrics by step, and its trial, attempt, state, budget, failure
    and attributes in the summary; it fails where the trial failed. The study's run has the best value so far.
    Offline, a study that goes on in another process begins local runs of the same ids; `wandb sync --append` joins
    them.

    >>> WandbTracker("digits", mode="offline")
    WandbTracker('digits', entity=None, directory=None, mode='offline')
    """

    def __init__(
        self,
        project: str,
        entity: str | None = None,
        directory: str | None = None,
        mode: Literal["online", "offline"] | None = None,
    ) -> None:
        super().__init__()
        self.project = project
        self.entity = entity
        self.directory = directory
        self.mode = mode
        self._runs: dict[int | None, Any] = {}
        """The open runs: of the trials that run, and of the study (None)."""
        self._best: float | None = None

    def __repr__(self) -> str:
        return (
            f"WandbTracker({self.project!r}, entity={self.entity!r}, directory={self.directory!r}, mode={self.mode!r})"
        )

    def run(self, trial: Numbered) -> Any:
        """The open run of a trial, for what its objective logs itself; in this process, but in any thread.

            tracker.run(trial).log({"digits": wandb.Image(grid)})

        Raises NotReady where there is none within a minute, or the tracker has failed.
        """
        number = trial.number
        return self.awaited(lambda: self._runs.get(number), PATIENCE, f"has no open run of trial {number}")

    def __reduce__(self) -> NoReturn:
        raise NotReady(
            "a run of Weights & Biases is written by one process, for WandbTracker this one: use threads, or open one "
            "of its own in the objective"
        )

    def begin(self) -> None:
        self._close()
        self._run(None).config.update(self.study.facts, allow_val_change=True)
        known = self._run(None).summary.get(self._best_key)  # of earlier processes; offline nothing is known of them
        self._best = None if known is None else float(known)

    def start(self, trial: TrackedTrial) -> None:
        self._run(trial.number).summary.update(trial.facts)

    def know(self, trial: TrackedTrial, params: Mapping[str, Plain]) -> None:
        self._run(trial.number).config.update(dict(params), allow_val_change=True)

    def report(self, trial: TrackedTrial, rows: Iterable[Row]) -> None:
        for row in rows:
            self._run(trial.number).log({"step": row.step, **row.values})

    def end(self, trial: TrackedTrial) -> None:
        run = self._run(trial.number)
        run.summary.update(trial.facts)
        if run.offline and not trial.state.is_finished():
            return  # it goes on in the same local run; another one would have to be joined to it when they are synced
        run.finish(exit_code=int(trial.state in (TrialState.FAIL, TrialState.WAITING)))
        del self._runs[trial.number]

    def note(self, number: int | None, attrs: Mapping[str, Any]) -> None:
        self._run(number).summary.update({f"attrs.{name}": value for name, value in attrs.items()})
        if number is not None and number not in self._trials:  # an attribute of a trial that has ended
            self._runs.pop(number).finish()

    def best(self) -> float | None:
        return self._best

    def improve(self, trial: TrackedTrial, value: float) -> None:
        self._best = value
        self._run(None).log({"step": self.newest, self._best_key: value})

    def close(self) -> None:
        """Finish the runs that are open."""
        self._close()
        super().close()

    def _close(self) -> None:
        for run in self._runs.values():
            run.finish()
        self._runs = {}

    @property
    def _best_key(self) -> str:
        return f"best/{self.study.problem.objectives[0].name}"

    def _run(self, number: int | None) -> Any:
        """The run of a trial or, with None, of the study; opened, or opened again, where it is not open."""
        if number not in self._runs:
            study = self.study
            run = wandb.init(
                project=self.project,
                entity=self.entity,
                dir=self.directory,
                mode=self.mode,
                id=study.id if number is None else f"{study.id}-{number}",
                name=study.name if number is None else f"trial {number}",
                group=study.name,
                job_type="study" if number is None else "trial",
                resume="allow",
                reinit="create_new",
                # What the objective prints belongs to no single run, and a banner for each trial to nobody.
                settings=wandb.Settings(console="off", silent=number is not None),
            )
            run.define_metric("*", step_metric="step")  # our steps: W&B's own never go back, as those of a retry do
            self._runs[number] = run
        return self._runs[number]
