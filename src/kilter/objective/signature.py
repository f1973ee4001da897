"""Whether an objective can be called on a space, which is known before there is a trial."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.problem import Problem
from kilter.core.text import one_line
from kilter.objective.composed import Composed

NEAR = 0.75
"""How alike the name of a parameter and of an argument beside the trial are that seem to be meant for one another."""


def check_objective(objective: Callable[..., Any], problem: Problem) -> list[str]:
    """Raise InvalidInput where no trial of the problem can call the objective, or none can use what it returns.

    The configuration reaches it as arguments, or where the problem is open is suggested by it. The result is the names
    of parameters that make no difference to it, since it takes neither them nor the trial.

    >>> from kilter import Float
    >>> from kilter.core.space import Space
    >>> check_objective(lambda x, momentun: x, Problem(Space({"x": Float(0, 1), "momentum": Float(0, 1)})))
    Traceback (most recent call last):
    kilter.core.errors.InvalidInput: the objective <lambda> needs 'momentun', which the space lacks: did you mean \
'momentum'? The space has x, momentum
    """
    if not callable(objective):
        raise InvalidInput(f"the objective {one_line(repr(objective))} cannot be called: give a function")
    if isinstance(objective, Composed):
        objective.check(problem)
    word = one_line(getattr(objective, "__name__", type(objective).__name__))
    name = "the objective" if word == "objective" else f"the objective {word}"
    called = objective if inspect.isroutine(objective) else getattr(objective, "__call__", objective)  # noqa: B004
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise InvalidInput(f"{name} is a generator: it has to return its value, not to yield")
    if inspect.iscoroutinefunction(objective) or inspect.iscoroutinefunction(called):
        raise InvalidInput(f"{name} is async, so a call returns no value: wrap it in asyncio.run()")
    try:
        signature = inspect.signature(objective)
    except (TypeError, ValueError):
        raise InvalidInput(f"nothing says what arguments {word} takes: give a function, as in lambda x: ...") from None
    untaken = _check_arguments(name, signature, problem)
    if signature.return_annotation in (float, int, "float", "int") and len(problem.metric_names) > 1:
        raise InvalidInput(
            f"{name} returns one number by its annotation, and the study needs "
            f"{', '.join(problem.metric_names)}: return a dict of these metrics"
        )
    return untaken


def _check_arguments(name: str, signature: inspect.Signature, problem: Problem) -> list[str]:
    arguments = signature.parameters.values()
    keywords = {a.name for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)}
    takes_all = any(a.kind is a.VAR_KEYWORD for a in arguments)
    needed = [a.name for a in arguments if a.default is a.empty and a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)]
    names = [*(() if problem.is_open else problem.space.declared), *(fidelity.name for fidelity in problem.fidelities)]
    trial = _place_of_the_trial(arguments, names, problem.is_open)
    missing = [n for n in needed if n != trial and (n not in names or n not in keywords)]
    for first in missing[:1]:
        if first in names:
            raise InvalidInput(f"{name} takes {first!r} by its place alone: wrap it, as in lambda {first}: ...")
        if problem.is_open:
            raise InvalidInput(f"{name} needs {first!r} beside the trial: give it a default")
        told = _nearest(first, names)
        if len(needed) == 1 and not keywords & set(names) and not told.startswith(": did you mean"):
            told += f": write **{first} to get all of them as a dict"
        raise InvalidInput(f"{name} needs {first!r}, which the space lacks{told}")
    untaken = [] if takes_all else [n for n in names if n not in keywords]
    _check_untaken(name, untaken, keywords, problem, trial)
    is_blind = trial is None and not takes_all and not keywords & set(names)
    if is_blind and not problem.is_open and problem.space.declared:
        raise InvalidInput(
            f"{name} takes none of the parameters, so all trials would be alike: give it arguments of their names. "
            f"The space has {_listed(problem.space.declared)}"
        )
    if not problem.is_open:
        _check_conditions(name, needed, problem)
    parents = {condition.parent for parameter in problem.space.declared.values() for condition in parameter.conditions}
    return [n for n in untaken if trial is None and n not in parents]


def _check_untaken(name: str, untaken: Iterable[str], taken: set[str], problem: Problem, trial: str | None) -> None:
    """Refuse a budget that cannot arrive, and a parameter that another argument seems to be meant for.

    Who has the trial can read both off it, so there only an argument of almost the same name tells of a slip.
    """
    budgets = [fidelity.name for fidelity in problem.fidelities]
    others = taken - {*problem.space.declared, *budgets, trial or ""}
    for each in [n for n in untaken if trial is None or n not in budgets]:
        if each in budgets or difflib.get_close_matches(each, others, n=1, cutoff=NEAR if trial else 0.6):
            kind = "study has a budget" if each in budgets else "space has"
            raise InvalidInput(
                f"the {kind} {each!r}, which {name} does not take{_nearest(each, others, 'It takes', sorted(taken))}"
            )


def _check_conditions(name: str, needed: Iterable[str], problem: Problem) -> None:
    """Refuse an argument without a default that only some configurations have."""
    for argument in needed:
        if argument in problem.space and problem.space[argument].conditions:
            parents = " and ".join(condition.parent for condition in problem.space[argument].conditions)
            raise InvalidInput(
                f"{name} needs {argument!r}, which only some values of {parents} bring along: "
                f"give it a default, as in {argument}=None"
            )


def _place_of_the_trial(arguments: Iterable[inspect.Parameter], names: Iterable[str], is_open: bool) -> str | None:
    """The argument that gets the trial, as `context` calls an objective; None where none does."""
    places = [a for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)]
    if any(a.name == "trial" for a in arguments):
        return "trial"
    needed = [a for a in places if a.default is a.empty]
    if is_open:
        return places[0].name if places else None
    if len(needed) == 1 and needed[0].name not in names and _may_be_a_trial(needed[0]):
        return needed[0].name
    return None


def _may_be_a_trial(argument: inspect.Parameter) -> bool:
    """Whether an argument that is no parameter of the space is meant for the trial, and is no parameter misspelt."""
    if argument.annotation is not argument.empty:
        return "Trial" in str(argument.annotation) or argument.annotation in (Any, "Any", object)
    return "trial" in argument.name.lower() or argument.name.strip("_").lower() in ("", "t", "tr")


def _nearest(name: str, known: Iterable[str], what: str = "The space has", listed: Iterable[str] = ()) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    names = list(listed or known)
    question = f": did you mean {near[0]!r}?" if near else "."
    return f"{question} {what} {_listed(names)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(one_line(each, 50) for each in list(names)[:20]) or "nothing"
