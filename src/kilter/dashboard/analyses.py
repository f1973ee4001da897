"""Answers that take a moment: analyses of a history at rest, and what a sampler has to say."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter import replay
from kilter.core.attributes import UNTRIED
from kilter.core.compound import Compound
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import Dropped, Started
from kilter.core.history import History
from kilter.core.space import Space
from kilter.dashboard import documents
from kilter.dashboard.asking import Ask
from kilter.engine.engine import Engine
from kilter.engine.next import next_event

if TYPE_CHECKING:
    from kilter.analysis.importance import Importance
    from kilter.analysis.rungs import Rung

MOST_VALUES = 400
"""Of a rung, whose counts are of all trials."""
MOST_EFFECTS = 50
"""Parameters in one answer."""
NOBODY = "nobody"
"""The worker for whom it is asked what would be next."""


def objective_of(ask: Ask) -> int | str:
    """The objective that is meant, by its name or its place."""
    said: str = ask.query["objective"]
    is_name = said in ask.history.problem.objective_names or not (said.isascii() and said.isdecimal())
    return said if is_name else int(said)


def convergence(ask: Ask) -> Any:
    """The best value so far."""
    from kilter.analysis.convergence import convergence

    return convergence(ask.history, objective_of(ask), ask.query["against"])


def importance(ask: Ask) -> Importance:
    """How much each parameter matters; the same for all who ask about these trials."""
    from kilter.analysis.importance import importance

    objective, method, seed = objective_of(ask), ask.query.get("method", "auto"), ask.study.log.replica.seed
    key = ("importance", objective, method)
    return ask.history.memo(key, lambda history: importance(history, objective, method=method, seed=seed))


def effects(ask: Ask) -> Any:
    """What the surrogate believes of a parameter; where none is named, of those that matter most, one by one."""
    from kilter.analysis.effects import effect

    history, objective, seed = ask.history, objective_of(ask), ask.study.log.replica.seed
    if ask.query["name"]:
        return {"effects": [effect(history, ask.query["name"], objective, seed)]}
    shares = importance(ask).shares[: min(ask.query["top"], MOST_EFFECTS)]
    told = []
    for name in (dimension for share in shares for dimension in _dimensions(history.problem.space, share.parameter)):
        with suppress(NotReady):  # it was active in no complete trial
            told.append(effect(history, name, objective, seed))
    return {"effects": told}


def _dimensions(space: Space, name: str) -> list[str]:
    """The parts of a compound, else the parameter itself."""
    parameter = space.declared[name]
    return list(parameter.names(name)) if isinstance(parameter, Compound) else [name]


def interaction(ask: Ask) -> Any:
    """What the surrogate believes of two parameters together; where neither is named, of those that matter most so."""
    from kilter.analysis.effects import interaction

    a, b = (ask.query["a"], ask.query["b"]) if ask.query["a"] or ask.query["b"] else _strongest(ask)
    return interaction(ask.history, a, b, objective_of(ask), ask.study.log.replica.seed)


def _strongest(ask: Ask) -> tuple[str, str]:
    """The pair that explains most beyond what each does alone, else the two parameters that matter most."""
    found, space = importance(ask), ask.history.problem.space
    pair = found.pairs[0].parameters if found.pairs else [share.parameter for share in found.shares]
    names = [name for parameter in pair for name in _dimensions(space, parameter)[:1]]
    if len(names) < 2:
        raise InvalidInput("two parameters take a space that has two")
    return names[0], names[1]


def quality(ask: Ask) -> Any:
    """How well the surrogate predicts trials that it was not told of."""
    from kilter.analysis.quality import quality

    return quality(ask.history, objective_of(ask), ask.study.log.replica.seed)


def generalisation(ask: Ask) -> Any:
    """What to expect on new data; null what cannot be told, as with several objectives."""
    from kilter.analysis.estimate import estimate
    from kilter.analysis.overtuning import overtuning
    from kilter.analysis.winner import winner

    history, design = ask.history, ask.design
    seen = overtuning(history, design)
    told = None if seen is None else {**vars(seen), "stopped_paying": seen.stopped_paying, "text": str(seen)}
    chosen = winner(history, design, ask.study.log.replica.attrs.get(UNTRIED))
    return {"winner": chosen, "estimate": estimate(history, design), "overtuning": told}


def diagnostics(ask: Ask) -> Any:
    """What is wrong, or good to know."""
    from kilter.analysis.diagnostics import diagnose

    budget = documents.budget_of(ask.study)
    trials = budget["trials"] if budget else None
    return {
        "findings": diagnose(ask.history, ask.now, budget=trials, seed=ask.study.log.replica.seed, design=ask.design)
    }


def curves(ask: Ask) -> Any:
    """Bands of learning curves, and some of them."""
    from kilter.analysis.curves import bands

    numbers = [number for number in ask.query["numbers"] if number < len(ask.history)]
    return bands(ask.history, ask.query["metric"], top=min(ask.query["top"], 200), numbers=numbers)


def rungs(ask: Ask) -> Any:
    """The ladder of trials that were stopped early."""
    from kilter.analysis.rungs import ladder

    found = ladder(ask.history)
    return {**vars(found), "rungs": [_thinned(rung) for rung in found.rungs]}


def _thinned(rung: Rung) -> dict[str, Any]:
    """A rung with the values of MOST_VALUES trials at most, evenly from the least to the greatest."""
    order = np.argsort(rung.values, kind="stable")
    kept = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_VALUES)).astype(int))]
    thin = {"numbers": rung.numbers[kept], "values": rung.values[kept], "is_beyond": rung.is_beyond[kept]}
    return {**vars(rung), **thin}


def pareto(ask: Ask) -> Any:
    """The front, and the volume that it came to dominate."""
    from kilter.analysis.pareto import front, hypervolume

    return {**vars(front(ask.history)), "volume": hypervolume(ask.history, seed=ask.study.log.replica.seed)}


def timeline(ask: Ask) -> Any:
    """Who worked when."""
    from kilter.analysis.timeline import timeline

    return timeline(ask.history, ask.now)


def lineage(ask: Ask) -> Any:
    """Who descends from whom."""
    from kilter.analysis.lineage import lineage

    return lineage(ask.history)


def space(ask: Ask) -> Any:
    """Where trials lie in the space."""
    from kilter.analysis.coverage import coverage

    return {"parameters": coverage(ask.history)}


def transfer(ask: Ask) -> Any:
    """Who teaches it of the earlier studies, and what is owed to them."""
    from kilter.analysis.transfer import transfer

    found = transfer(ask.history)
    teachers = [{**vars(teacher), "standing": teacher.standing} for teacher in found.teachers]
    return {**vars(found), "teachers": teachers, "sentence": found.sentence}


def forecast(ask: Ask) -> Any:
    """Where the reports of a trial are heading; null where too little was reported."""
    from kilter.analysis.curves import forecast

    number = documents.record_of(ask.study, ask.number).number
    return {"forecast": forecast(ask.history, number)}


def why(ask: Ask) -> Any:
    """Why the sampler chose a configuration; where it does not say, `arm` is null and the text says why not."""
    record = documents.record_of(ask.study, ask.number)
    try:
        told = replay.explained(ask.study.id, ask.study.storage, record)
    except InvalidInput as error:
        return {"arm": None, "text": str(error)}
    return {**vars(told), "text": str(told)}


def upcoming(ask: Ask) -> Any:
    """What a free worker would do now, and why."""
    engine = replay.engine_at(ask.study.id, ask.study.storage)
    event = next_event(engine, NOBODY, ask.now)
    if isinstance(event, Started):
        return {**_start(engine, event), "why": _why(engine, event)}
    kind = "stop" if isinstance(event, Dropped) else "nothing" if event is None else "wait"
    return {"does": kind, "number": getattr(event, "number", None)}


def _start(engine: Engine, event: Started) -> dict[str, Any]:
    does = "resume" if not event.fresh else "fork" if event.parent is not None else "start"
    return {
        "does": does if event.confirms is None else "repeat",
        "number": event.number,
        "params": engine.problem.space.whole(event.params),
        "budget": event.budget,
        "parent": event.parent,
        "confirms": event.confirms,
    }


def _why(engine: Engine, event: Started) -> dict[str, Any] | None:
    """What the sampler says to it; None where it had no part in it, or says nothing."""
    if not event.fresh or event.parent is not None or event.confirms is not None:
        return None
    try:
        asked = replay.explaining(engine)
    except InvalidInput:
        return None
    told = asked.explain(engine.sampler_state, engine.history, event.number, dict(event.params))
    return {**vars(told), "text": str(told)}


def compare(ask: Ask) -> Any:
    """Several studies beside one another; those of one label are runs of it with other seeds."""
    from kilter.analysis.comparison import compare

    labelled: dict[str, list[History]] = {}
    for study in ask.studies:
        labelled.setdefault(_label(study.name, ask.query["group"]), []).append(study.at_rest())
    return compare(labelled, ask.query["objective"], against=ask.query["against"])


SEED = re.compile(r"[\s_.:#/-]*(seed|run)?[\s_.:#/-]*\d+$", re.IGNORECASE)


def _label(name: str, group: str) -> str:
    """By what a study goes in a comparison: its name or, grouped by name, what stands before a number at its end."""
    if group == "study":
        return name
    return SEED.sub("", name) or name
