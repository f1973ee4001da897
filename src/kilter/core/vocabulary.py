"""The words that other tuners have for our arguments: one called by another name is answered with the right one.

    tune(n_jobs=4)              tune() has no 'n_jobs': it is called workers=
    study.optimize(workers=4)   optimize() has no 'workers': it is called n_jobs=

Each thing has one name in one place: `tune`, the command line and a study's file say `workers`; what has Optuna's or
scikit-learn's interface keeps their `n_jobs`.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from kilter.core.errors import UnknownArgument

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T", bound=type)

SAME = tuple(
    frozenset(line.split())
    for line in (
        "n_trials trials max_trials num_trials max_evals num_samples n_iter max_iter n_calls iterations",
        "workers n_jobs jobs n_workers num_workers max_workers processes parallel max_concurrent max_concurrent_trials",
        "timeout time max_time time_limit time_budget time_budget_s timeout_s duration seconds",
        "trial_timeout timeout_per_trial max_trial_time",
        "minimize maximize direction directions mode goal metric metrics objectives scoring",
        "subject_to constraints constraint constraints_func",
        "space search_space param_space params param parameters param_distributions param_grid distributions config",
        "objective func fn function trainable",
        "sampler algo algorithm search_alg searcher optimizer suggest strategy",
        "scheduler pruner prune early_stopper",
        "seed random_state rstate random_seed",
        "study_name name study experiment experiment_name project_name",
        "storage db database url storage_path local_dir",
        "fidelity fidelities epochs n_epochs max_epochs resource max_resource max_budget max_t",
        "patience early_stopping early_stopping_rounds",
        "target stop_at goal_value",
        "progress show_progress_bar progress_bar verbose verbosity",
        "callbacks callback",
        "observers trackers tracker loggers logger",
        "gpus_per_trial gpus n_gpus num_gpus",
        "resources resources_per_trial",
    )
)
"""Words for one thing, a line each."""

PARTS = {
    **{word: ("limits", f"limits=kilter.Limits({word}=…)") for word in ("cost", "steps", "target", "patience", "gain")},
    "gpus_per_trial": ("resources", "resources=kilter.Resources(gpus=…)"),
    "trial_timeout": ("resources", "resources=kilter.Resources(seconds=…)"),
}
"""Words of a study's file that are part of an argument of Python's: which, and how that is written."""

EXAMPLES = {
    "limits": "limits=kilter.Limits(…)",
    "direction": 'direction="maximize"',
    "directions": 'directions={"accuracy": "maximize"}',
    "minimize": 'minimize="loss"',
    "maximize": 'maximize="accuracy" (maximize=True for a plain number)',
    "fidelity": 'fidelity=kilter.Fidelity("epochs", 1, 81)',
    "subject_to": 'subject_to={"latency_ms": "<= 20"}',
}
"""How an argument of Python's is written, where its name alone says too little."""


def ours(word: str, known: Collection[str]) -> list[str]:
    """Those of the known words that mean what `word` means.

    >>> ours("n_jobs", ["n_trials", "workers"])
    ['workers']
    """
    return [name for name in known for group in SAME if word in group and name in group]


def answer(where: str, word: str, known: Collection[str], spelled: Callable[[str], str]) -> UnknownArgument:
    """The error for a word that `where` does not know; `spelled` shows one of the known words as it is written."""
    parts = [part for part in PARTS if part == word or ours(word, [part])]
    meant = list(map(spelled, ours(word, known))) or [PARTS[part][1] for part in parts if PARTS[part][0] in known]
    near = difflib.get_close_matches(word, known, n=1)
    if meant:
        hint = f"it is called {' or '.join(meant)}"
    elif near:
        hint = f"did you mean {spelled(near[0])}?"
    else:
        hint = f"it has {', '.join(known)}"
    return UnknownArgument(f"{where} has no {word!r}: {hint}")


def keyword(word: str) -> str:
    """A known word as an argument of Python's is written."""
    return EXAMPLES.get(word, f"{word}=")


def answers_other_words(function: F) -> F:
    """Has a function answer a keyword that it does not have with the one that it has; raises UnknownArgument.

    >>> @answers_other_words
    ... def tune(objective, *, workers=1): ...
    >>> tune(print, n_jobs=2)
    Traceback (most recent call last):
    kilter.core.errors.UnknownArgument: tune() has no 'n_jobs': it is called workers=
    """
    return answering({})(function)


def answers_other_settings(kind: T) -> T:
    """answers_other_words for the fields of a dataclass."""
    kind.__init__ = answers_other_words(kind.__init__)  # type: ignore[misc]
    return kind


def answering(more: Mapping[str, inspect.Parameter]) -> Callable[[F], F]:
    """answers_other_words for a function that passes `more` keywords on to another one; `help` shows these too."""
    return lambda function: _answering(function, more)


def _answering(function: F, more: Mapping[str, inspect.Parameter]) -> F:
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

    @functools.wraps(function)
    def asked(*args: Any, **given: Any) -> Any:
        if len(args) > len(placed):
            only = f"only {' and '.join(shown)}" if shown else "nothing"
            example = next((word for word in known if word not in placed), "…")
            raise UnknownArgument(f"{name}() takes {only} by place: name the others, as in {keyword(example)}")
        if not accepted.issuperset(given):
            word = next(word for word in given if word not in accepted)
            raise answer(f"{name}()", word, known, keyword)
        return function(*args, **given)

    signature = inspect.signature(function)
    parameters = {w: p for w, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}
    placed = [word for word, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    shown = [word for word in placed if word != "self"]
    known = [*(word for word in parameters if word != "self" and not word.startswith("_")), *more]
    accepted = {*parameters, *more}
    if more:
        asked.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*parameters.values(), *more.values()]
        )
    return asked  # type: ignore[return-value]
