"""Hugging Face Transformers: a callback for the Trainer, and the tuning of whatever a function makes a Trainer of.

    def make_trainer(args, dropout):                     # args: TrainingArguments with the trial's values in them
        config = AutoConfig.from_pretrained(name, hidden_dropout_prob=dropout)
        model = AutoModelForSequenceClassification.from_pretrained(name, config=config)
        return Trainer(model, args, train_dataset=train, eval_dataset=valid, compute_metrics=accuracy)

    space = {
        "learning_rate": kilter.Float(1e-6, 1e-3, log=True),   # a field of TrainingArguments
        "dropout": kilter.Float(0.0, 0.3),                     # an argument of make_trainer
    }
    study = tune_trainer(make_trainer, TrainingArguments(num_train_epochs=3), space, maximize="accuracy", n_trials=30)
    model = AutoModelForSequenceClassification.from_pretrained(study.best_trial.user_attrs["checkpoint"])

In an objective of your own `TrialCallback` does the reporting and the stopping, and `last_checkpoint` the going on:

    def objective(trial):
        args = TrainingArguments(trial.checkpoint_dir, eval_strategy="epoch", save_strategy="epoch", …)
        trainer = Trainer(…, args=args, callbacks=[TrialCallback(trial, "accuracy")])
        trainer.train(resume_from_checkpoint=last_checkpoint(trial))
        return trainer.evaluate()["eval_accuracy"]
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kilter.api import SpaceLike, Study, as_space, tune
from kilter.core.errors import InvalidInput, UnknownName, needed
from kilter.core.numbers import Float
from kilter.core.problem import Fidelity
from kilter.core.space import Space
from kilter.objective.trial import Trial

if TYPE_CHECKING:
    from kilter.integrations.torch import DistributedTrial

with needed("transformers accelerate torch", "kilter.integrations.transformers"):
    import transformers

BUDGETS = {"epoch": "num_train_epochs", "steps": "max_steps"}
"""The fidelity that is counted in what the Trainer evaluates by: its name among the arguments of a training."""

WHOLE = "trainer_state.json"
"""The file that the Trainer writes last into a checkpoint."""


class TrialCallback(transformers.TrainerCallback):
    """Reports each evaluation of a Trainer to the trial, and stops the training where the scheduler ends or pauses it.

    `metric` is what the Trainer computes, with or without "eval_" in front; of several, a dict of those names is
    reported. The step is the epoch with eval_strategy="epoch" (comparable between batch sizes), and the optimizer's
    step with "steps". The training stops as if it had reached its end, so that `train()` returns as usual and whatever
    the objective then returns, the trial counts by its last report.

    Where the Trainer saves after an evaluation the trial leaves only once that is saved: with the trial's
    `checkpoint_dir` as the output directory and `train(resume_from_checkpoint=last_checkpoint(trial))` a trial that
    was paused, or whose worker died, goes on exactly where it stood. One that leaves is saved in any case, unless the
    save strategy is "no" (after a pause it begins anew) or "best" (it goes on at its best evaluation). A checkpoint of
    the model only, without the optimizer and the schedule of the learning rate, is none to go on from.

    Under Fidelity("num_train_epochs", …) with eval_strategy="epoch", or Fidelity("max_steps", …) with "steps", it stops
    at the trial's budget; give the arguments the highest one, which the schedule of the learning rate is then made for.

    A trial that was forked from another one takes over its model and the optimizer's moments, but not its learning rate
    and weight decay, where the optimizer is one that the Trainer makes. Let forks change nothing that changes how many
    steps an epoch has.

    With several processes for one model run the study by kilter.integrations.torch.optimize_distributed and hand over
    its trial, which they share.

    Raises InvalidInput, with the metrics that there are, for one that no evaluation computes, and for a training that
    goes on under save_only_model.
    """

    def __init__(self, trial: Trial | DistributedTrial, metric: str | Sequence[str]) -> None:
        self.trial = trial
        self.metric = metric
        self._is_training = False
        self._seen: dict[str, float] = {}
        """The metrics of an evaluation that has not yet brought all that is to be reported."""
        self._reported: int | None = None
        """The optimizer's step of the last report."""
        self._unasked: int | None = None
        """The step that was reported and is about to be saved."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """From now on evaluations count; a fork goes on at its own learning rate and weight decay."""
        if args.world_size > 1 and isinstance(self.trial, Trial):
            raise InvalidInput(
                f"{args.world_size} processes train one model, and each asks a trial of its own: run the study by "
                "kilter.integrations.torch.optimize_distributed, whose trial they share"
            )
        _check_budget(self.trial.budget, args.eval_strategy)
        if state.global_step and args.save_only_model:
            raise InvalidInput(
                f"save_only_model=True: the checkpoint of step {state.global_step} has no optimizer and no schedule to "
                "go on with; leave it at False, or train() without resume_from_checkpoint"
            )
        if self.trial.parent is not None and state.global_step:
            _set_own(args, others["optimizer"], others["lr_scheduler"])
        self._is_training = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Report, and ask unless the Trainer saves first."""
        if not self._is_training or self._reported == state.global_step:
            return
        self._seen.update(others["metrics"])
        try:
            value = _of(self._seen, self.metric)
        except InvalidInput:
            return  # of several data sets one is evaluated after the other: the metric may be of a later one
        self._seen, self._reported = {}, state.global_step
        step = math.ceil(state.epoch) if _strategy(args.eval_strategy) == "epoch" else int(state.global_step)
        self.trial.report(value, step)
        if control.should_save:
            self._unasked = step
        else:
            self._ask(step, args, control, is_saved=False)

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ask, now that what was reported is saved."""
        if self._unasked is not None:
            step, self._unasked = self._unasked, None
            self._ask(step, args, control, is_saved=True)

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """The evaluation is over, if there was one: say which metric it lacked."""
        if self._seen:
            _of(self._seen, self.metric)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Likewise; what is evaluated from now on is not reported."""
        self.on_step_begin(args, state, control)
        self._is_training = False

    def _ask(self, step: int, args: Any, control: Any, *, is_saved: bool) -> None:
        budget = self.trial.budget.get(BUDGETS.get(_strategy(args.eval_strategy), ""), math.inf)
        if self.trial.leaves() or step >= budget:
            control.should_training_stop = True
            control.should_save = not is_saved and _strategy(args.save_strategy) != "no"


def last_checkpoint(trial: Trial | DistributedTrial) -> str | None:
    """The latest checkpoint that a Trainer has left whole in the trial's `checkpoint_dir`; None where there is none.

    For `Trainer.train(resume_from_checkpoint=…)`. A folder that was being written when its process was killed is passed
    over, which the Trainer's own search does not do.
    """
    found: dict[int, str] = {}
    for entry in os.scandir(trial.checkpoint_dir):
        match = re.fullmatch(r"checkpoint-(\d+)", entry.name)
        if match and os.path.isfile(os.path.join(entry.path, WHOLE)):
            found[int(match[1])] = entry.path
    return found[max(found)] if found else None


def tune_trainer(
    make_trainer: Callable[..., Any],
    args: Any,
    space: SpaceLike,
    *,
    minimize: str | Sequence[str] | None = None,
    maximize: str | Sequence[str] | None = None,
    **options: Any,
) -> Study:
    """Tune what `make_trainer(args, **others)` makes a Trainer of; `args` are the TrainingArguments to begin with.

    Parameters of the space that are named like fields of TrainingArguments are set in a copy of `args`, the others are
    keyword arguments of `make_trainer`. `minimize` and `maximize` name metrics of the evaluation, with or without
    "eval_" in front; `options` are those of `kilter.tune`: n_trials, timeout, storage, scheduler, fidelity, and so on.
    Seeds are set to `args.seed` before a Trainer is made.

    Every trial is evaluated each epoch, unless `args` say otherwise, may be stopped there, and saves itself as often,
    unless save_strategy is "no". With that, or with save_only_model, one that has to go on begins anew. With
    Fidelity("num_train_epochs", 1, 9) trials pause after some epochs, and the promising ones go on.
    `user_attrs["checkpoint"]` of a finished trial is the folder that its last model can be loaded from, or its best one
    with load_best_model_at_end; the best few trials of a study keep theirs.

    Raises InvalidInput for a parameter that is neither a field nor an argument, or that cannot fit its field.
    """
    declared = as_space(space)
    fidelity = options.get("fidelity") or ()
    fidelities = [fidelity] if isinstance(fidelity, Fidelity) else list(fidelity)
    _check_budget([f.name for f in fidelities], _rhythm(args)["eval_strategy"])
    fields = {field.name: field.type for field in dataclasses.fields(args) if field.init}
    _check_names(make_trainer, declared, [*declared.names, *(f.name for f in fidelities)], fields)
    whole = {f.name: f.high for f in fidelities if f.name in BUDGETS.values()}
    names = list(dict.fromkeys([*_listed(minimize), *_listed(maximize), *(options.get("subject_to") or {})]))

    def objective(trial: Trial) -> dict[str, float] | None:
        chosen = {**trial.params, **trial.budget, **whole}
        own = {name: _typed(value, getattr(args, name)) for name, value in chosen.items() if name in fields}
        others = {name: value for name, value in chosen.items() if name not in fields}
        arguments = dataclasses.replace(args, **_rhythm(args), **own, output_dir=trial.checkpoint_dir)
        transformers.set_seed(arguments.seed)
        trainer = make_trainer(arguments, **others)
        trainer.add_callback(TrialCallback(trial, names))
        trainer.train(resume_from_checkpoint=None if arguments.save_only_model else last_checkpoint(trial))
        kept = trainer.state.best_model_checkpoint if arguments.load_best_model_at_end else None
        kept = kept or last_checkpoint(trial)
        if kept:
            trial.set_user_attr("checkpoint", kept)
        return None if trial.has_left else _of(trainer.evaluate(), names)

    options.setdefault("study_name", getattr(make_trainer, "__name__", "trainer"))
    return tune(objective, declared, minimize=minimize, maximize=maximize, **options)


def _check_names(make_trainer: Callable[..., Any], space: Space, names: list[str], fields: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a name that nothing takes, or a parameter that does not fit the field of its name."""
    _, *places = inspect.signature(make_trainer).parameters.values()
    takes = {place.name for place in places if place.kind in (place.POSITIONAL_OR_KEYWORD, place.KEYWORD_ONLY)}
    takes_all = any(place.kind is place.VAR_KEYWORD for place in places)
    for name in names:
        if name not in {*fields, *takes} and not takes_all:
            kind = "field of TrainingArguments or argument of make_trainer"
            raise InvalidInput(str(UnknownName.of(kind, name, {*fields, *takes})))
        if fields.get(name) in (int, "int") and isinstance(space.parameters.get(name), Float):
            raise InvalidInput(f"{space[name]!r} for {name}, which is a whole number: use Int or Ordinal")


def _check_budget(fidelities: Iterable[str], eval_strategy: Any) -> None:
    """Raise InvalidInput for a budget in epochs where steps are reported, or the other way round."""
    strategy = _strategy(eval_strategy)
    for name in fidelities:
        if name in BUDGETS.values() and name != BUDGETS.get(strategy):
            raise InvalidInput(
                f"a budget of {name} with eval_strategy={strategy!r}: "
                "num_train_epochs needs evaluations by 'epoch', max_steps by 'steps'"
            )


def _set_own(args: Any, optimizer: Any, lr_scheduler: Any) -> None:
    """Put the learning rate and weight decay of `args` in the place of those that came with a checkpoint."""
    rates = lr_scheduler.base_lrs
    if len(set(rates)) > 1:
        return  # set by the user group by group
    for group in optimizer.param_groups:
        group["lr"] *= args.learning_rate / rates[0]
        group["initial_lr"] = args.learning_rate
    lr_scheduler.base_lrs = [args.learning_rate] * len(rates)
    lr_scheduler._last_lr = [group["lr"] for group in optimizer.param_groups]  # what the Trainer logs
    optimizer.param_groups[0]["weight_decay"] = args.weight_decay  # the second group are biases and norms, without any


def _rhythm(args: Any) -> dict[str, Any]:
    """What to change in the arguments so that a trial is evaluated, and saved whenever it is."""
    evaluated = _strategy(args.eval_strategy)
    changes: dict[str, Any] = {"eval_strategy": "epoch" if evaluated == "no" else evaluated}
    if _strategy(args.save_strategy) in ("epoch", "steps"):
        changes.update(save_strategy=changes["eval_strategy"], save_total_limit=args.save_total_limit or 1)
        if evaluated == "steps":
            changes.update(save_steps=args.eval_steps)
    return changes


def _of(metrics: Mapping[str, float], wanted: str | Sequence[str]) -> Any:
    """One metric as a number, or several as a dict; raises InvalidInput with the known names."""
    if not isinstance(wanted, str):
        return {name: _of(metrics, name) for name in wanted}
    for name in (wanted, f"eval_{wanted}"):
        if name in metrics:
            return float(metrics[name])
    known = (name.removeprefix("eval_") for name in metrics)
    raise InvalidInput(str(UnknownName.of("metric of the evaluation", wanted, known)))


def _strategy(value: Any) -> str:
    """The name of a strategy, which TrainingArguments hold as an enumeration."""
    return str(getattr(value, "value", value))


def _typed(value: Any, old: Any) -> Any:
    """A number in the type that the field has."""
    return float(value) if type(old) is float and _is_int(value) else value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _listed(names: str | Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())
