"""Studies in TensorBoard: a directory for each trial, with its curves, and the table and plots of the HPARAMS tab.

    from kilter.integrations.tensorboard import TensorBoardTracker

    kilter.tune(train, space, n_trials=50, observers=[TensorBoardTracker("runs")])

Then `tensorboard --logdir runs`. The tensorboard package alone is needed, neither torch nor TensorFlow. A study that
goes on later goes on in the same directories.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kilter.core.errors import needed
from kilter.core.events import TrialState
from kilter.core.parameter import Plain
from kilter.integrations.tracking import Numbered, Row, TrackedTrial, Tracker, text

with needed("tensorboard", "kilter.integrations.tensorboard"):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.compat.proto.event_pb2 import Event as Written
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

STATUS = {
    TrialState.COMPLETE: api_pb2.STATUS_SUCCESS,
    TrialState.PRUNED: api_pb2.STATUS_SUCCESS,
    TrialState.FAIL: api_pb2.STATUS_FAILURE,
}
"""TensorBoard knows no pruning; the text `state` has our own word."""


class TensorBoardTracker(Tracker):
    """Writes a study into `log_dir`/<study>; an Observer, for `observers=` of tune or for `study.observed`.

    Each trial has a directory trial-0007 with its metrics by step, its parameters, and its attempt, state, budget,
    failure and attributes as text; the study's own directory has the best value so far, over the number of the newest
    trial. Where the objective suggests its parameters, a trial is in the HPARAMS tab once an attempt has ended.

    >>> TensorBoardTracker("runs")
    TensorBoardTracker('runs')
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self._writers: dict[int | None, Any] = {}
        """The open files: of the trials that run, and of the study (None)."""
        self._best: float | None = None

    def __repr__(self) -> str:
        return f"TensorBoardTracker({self.log_dir!r})"

    def directory(self, trial: Numbered) -> str:
        """Where a trial's files are, for what its objective writes itself, in whichever process it runs.

            SummaryWriter(tracker.directory(trial)).add_image("first digits", grid)

        Raises NotReady where no study is observed.
        """
        return os.path.join(self._study_dir, _directory(trial.number))

    def begin(self) -> None:
        self._close()
        for name, value in self.study.facts.items():
            self._write(None, text_pb(name, value))
        self._best = self._earlier_best()

    def start(self, trial: TrackedTrial) -> None:
        self._facts(trial)

    def know(self, trial: TrackedTrial, params: Mapping[str, Plain]) -> None:
        # None is no value of a hyperparameter there; its name is.
        shown = {name: "None" if value is None else value for name, value in params.items()}
        self._write(trial.number, hparams_pb(shown, _directory(trial.number), self.time))

    def report(self, trial: TrackedTrial, rows: Iterable[Row]) -> None:
        for row in rows:
            self._write(trial.number, _scalars(row.values), row.step)

    def end(self, trial: TrackedTrial) -> None:
        self._facts(trial)
        if trial.state.is_finished():
            ended = plugin_data_pb2.SessionEndInfo(status=STATUS[trial.state], end_time_secs=self.time)
            data = plugin_data_pb2.HParamsPluginData(session_end_info=ended)
            self._write(trial.number, _of_plugin(metadata.SESSION_END_INFO_TAG, data))
        self._writers.pop(trial.number).close()

    def note(self, number: int | None, attrs: Mapping[str, Any]) -> None:
        for name, value in attrs.items():
            self._write(number, text_pb(f"attrs/{name}", text(value)))
        if number is not None and number not in self._trials:  # an attribute of a trial that has ended
            self._writers.pop(number).close()

    def best(self) -> float | None:
        return self._best

    def improve(self, trial: TrackedTrial, value: float) -> None:
        self._best = value
        self._write(None, _scalars({self._best_tag: value}), self.newest)

    def flush(self) -> None:
        """Have what was written be seen at once: TensorFlow, where it is there, and some file systems keep it back."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._close()
        super().close()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    @property
    def _best_tag(self) -> str:
        return f"best/{self.study.problem.objectives[0].name}"

    @property
    def _study_dir(self) -> str:
        return os.path.join(self.log_dir, re.sub(r"[^\w\-. ]", "_", self.study.name))

    def _earlier_best(self) -> float | None:
        """The best of the values that earlier runs of the study wrote."""
        if not os.path.isdir(self._study_dir):
            return None
        written = EventAccumulator(self._study_dir, {"scalars": 0}).Reload()
        if self._best_tag not in written.Tags()["scalars"]:
            return None
        sign = self.study.problem.objectives[0].sign
        return float(min((point.value for point in written.Scalars(self._best_tag)), key=lambda value: sign * value))

    def _facts(self, trial: TrackedTrial) -> None:
        for name, value in trial.facts.items():
            if value:
                self._write(trial.number, text_pb(name, value), trial.attempt)

    def _write(self, number: int | None, summary: Any, step: int = 0) -> None:
        """Append a summary to the file of a trial or, with None, of the study."""
        if number not in self._writers:
            folder = self._study_dir if number is None else os.path.join(self._study_dir, _directory(number))
            self._writers[number] = EventFileWriter(folder)
        self._writers[number].add_event(Written(wall_time=self.time, step=step, summary=summary))


def _directory(number: int) -> str:
    return f"trial-{number:04d}"


def _scalars(values: Mapping[str, float]) -> Any:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _of_plugin(tag: str, data: Any) -> Any:
    described = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])
