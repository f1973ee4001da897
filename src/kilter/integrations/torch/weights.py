"""Weights that an earlier study left, as where a training may start: an option of a Choice, by the user's word.

starts = starting_points(news, mails)  # two studies; {"news/17": a folder, "mails/4": another}
space["start"] = kilter.Choice(["pre-trained", *starts])

def objective(trial):
    model = pretrained()
    if trial.params["start"] in starts:
        load_weights(model, starts[trial.params["start"]], but=["classifier"])
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from glob import escape, glob
from typing import Any

import torch
from torch import nn

from kilter.api import StudyView
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.core.problem import StudyDirection
from kilter.integrations.torch.checkpoint import STATE, check_archive
from kilter.integrations.torch.finetuning import is_in, merged

SAFE = "model*.safetensors"
"""The files that Transformers saves a model in: one, or several of a large one."""


def starting_points(*studies: StudyView, n: int = 1) -> dict[str, str]:
    """Where the best `n` complete trials of each study left their weights: a folder by "study/number", best first.

    That is what `tune_trainer` notes as their checkpoint, or else the folder that they left their checkpoint in; trials
    that left nothing are passed over. The folders are the earlier study's: do not delete it while it is started from,
    and let it keep enough of them, by `keep_checkpoints`.

    Raises NotReady where a study has no such trial, InvalidInput for a study of several objectives.

    >>> import kilter
    >>> study = kilter.create_study(study_name="small", direction="minimize", seed=0)
    >>> def objective(trial):
    ...     torch.save(nn.Linear(2, 1).state_dict(), os.path.join(trial.checkpoint_dir, "weights.pt"))
    ...     return trial.suggest_float("x", 0, 1)
    >>> study.optimize(objective, n_trials=2, progress="none")
    >>> starts = starting_points(study)
    >>> space = {"start": kilter.Choice(["pre-trained", *starts]), "learning_rate": kilter.Float(1e-5, 1e-3, log=True)}
    """
    found = {}
    for study in studies:
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        trials = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
        left: dict[str, str] = {}
        for trial in sorted(trials, key=lambda each: sign * (each.value or 0.0)):
            folder = trial.user_attrs.get("checkpoint") or study.checkpoint_dir(trial)
            if folder and os.path.isdir(folder) and len(left) < n:
                left[f"{study.study_name}/{trial.number}"] = str(folder)
        if not left:
            raise NotReady(f"no trial of the study {study.study_name!r} is complete and has left weights")
        found.update(left)
    return found


def load_weights(model: nn.Module, path: str | os.PathLike[str], but: Collection[str] = ()) -> list[str]:
    """Put weights from a file or folder into a model, wherever names and shapes agree; the names of those that did.

    All else stays as it is, such as a head for another number of classes. `but` names modules that keep their own
    weights even so, as a head of as many other classes should. `path` is what a Trainer saved, what
    `kilter.integrations.torch.Checkpoint` left, a file of `torch.save(model.state_dict(), …)`, or the folder of one of
    these. The changes of LoRA are merged into the weights, so call this before `adapt`. Nothing in a file is executed.

    Raises InvalidInput where there are no weights, they cannot be read, or none agrees.

    >>> from tempfile import mkdtemp
    >>> path = os.path.join(mkdtemp(), "weights.pt")
    >>> torch.save(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 9)).state_dict(), path)
    >>> load_weights(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3)), path)
    ['0.weight', '0.bias']
    """
    own = model.state_dict()

    def fitting(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return {
            name: tensor
            for name, tensor in merged(state).items()
            if name in own and own[name].shape == tensor.shape and not any(is_in(name, place) for place in but)
        }

    states = list(_states(os.fspath(path)))
    taken = max(map(fitting, states), key=len, default={})
    if not taken:
        names = [name for state in states for name in state]
        what = f"its tensors are named {', '.join(names[:3])}, …" if names else "there are no tensors in it"
        raise InvalidInput(f"{os.fspath(path)}: no name and shape agrees with those of the model: {what}")
    model.load_state_dict(taken, strict=False)
    return list(taken)


def _states(path: str) -> Iterator[Mapping[str, torch.Tensor]]:
    """What may be the state of a model, of a file or of all files in a folder."""
    files = [path] if os.path.isfile(path) else _files(path)
    try:
        if files[0].endswith(".safetensors"):
            from safetensors.torch import load_file  # comes with Transformers

            yield {name: tensor for file in files for name, tensor in load_file(file).items()}
            return
        for file in files:
            check_archive(file)
            kept = torch.load(file, map_location="cpu", weights_only=True)
            parts = kept["parts"].values() if os.path.basename(file) == STATE else [kept]
            yield from ({k: v for k, v in part.items() if isinstance(v, torch.Tensor)} for part in parts)
    except Exception as error:
        raise InvalidInput(f"{path} cannot be read as weights ({type(error).__name__}: {error})") from error


def _files(folder: str) -> list[str]:
    for pattern in (SAFE, STATE, "*.pt", "*.pth"):
        found = sorted(glob(os.path.join(escape(folder), pattern)))
        if found:
            return found
    there = ", ".join(sorted(os.listdir(folder))[:5]) if os.path.isdir(folder) else "no such folder"
    raise InvalidInput(f"no weights in {folder} ({there}): there should be {SAFE}, {STATE}, or a .pt of torch.save")
