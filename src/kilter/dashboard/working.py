"""Trials for those who speak HTTP alone, in whatever language: asked for here, reported, and told.

A worker is known by its name, and has one trial at a time: who asks again by that name is given the same trial. It
holds a lease in the storage, as any worker does, which each of its requests renews. One that vanishes lets that run
out, and its trial goes to another; a server that is started anew finds all of this where it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from kilter import plugins
from kilter.core.actions import Verdict, Wait
from kilter.core.border import as_step, check_study_name
from kilter.core.errors import InvalidInput, StudyExists, TrialNotFound, UnknownName
from kilter.core.events import Created, Failure, Report, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import Outcome, Progress, Task
from kilter.core.kinds import parameter_from_json
from kilter.core.limits import Limits
from kilter.core.parameter import Parameter
from kilter.core.problem import Fidelity, Problem
from kilter.core.space import Space
from kilter.core.text import shown
from kilter.dashboard.asking import Ask, Field, Route
from kilter.engine.asked import asked, is_done
from kilter.engine.engine import Engine
from kilter.runtime.log import created, id_of
from kilter.runtime.session import Session
from kilter.runtime.steering import note_total
from kilter.runtime.telling import meaning

WORK = "/work"
STUDY = f"{WORK}/studies/{{id:int}}"
TRIAL = f"{STUDY}/trials/{{number:int}}"

EXAMPLE = '{"lr": {"kind": "float", "low": 1e-5, "high": 0.1, "log": true}}'
NAMELESS = "nameless-"
"""How the names begin that are made up: such a worker is never heard of again once it has told."""
NEXT = 2.0
"""Seconds after which a worker that has to wait may ask again."""
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
"""How a trial may be told to have ended."""


# -- a study ----------------------------------------------------------------------------------------------------------


def _create(ask: Ask) -> Any:
    """A study that is there, of the same problem, is the one that is meant: who asks again makes no other."""
    said, storage = ask.body, ask.reading.storage
    name = check_study_name(said["name"])
    problem = _problem(said)
    sampler = plugins.find("sampler", said.get("sampler") or "auto")
    scheduler = plugins.find("scheduler", said.get("scheduler") or "auto")
    seed = secrets.randbits(32) if said.get("seed") is None else said["seed"]
    wanted = Limits(trials=said.get("n_trials"))
    Engine(problem, sampler, scheduler, seed)  # refuses what cannot be
    specs = plugins.spec("sampler", sampler), plugins.spec("scheduler", scheduler)
    is_new = True
    try:
        study = storage.create(name, Created(problem.to_json(), *specs, seed, ask.now))
    except StudyExists as error:
        study = id_of(storage, name)
        if Problem.from_json(created(storage, study).problem) != problem:
            raise StudyExists(f"there is a study {name!r} already, of another space or objective") from error
        is_new = False
    if wanted.are_given:
        with ask.work.at(study) as session:
            note_total(session, ask.now, wanted)
    return {"id": study, "is_new": is_new}


def _problem(said: Mapping[str, Any]) -> Problem:
    space = Space({name: _parameter(name, data) for name, data in said["space"].items()})
    if not len(space):
        raise InvalidInput(f"space={{}}: name at least one parameter, such as {EXAMPLE}")
    try:
        levels = [Fidelity(name, *ends) for name, ends in (said.get("fidelity") or {}).items()]
    except (TypeError, OverflowError) as error:
        raise InvalidInput("fidelity: give {'epochs': [1, 81]}, from the least to the most") from error
    return Problem.of(space, said.get("direction"), said.get("directions"), said.get("subject_to"), levels)


def _parameter(name: str, data: Any) -> Parameter:
    try:
        parameter = parameter_from_json(data)
    except InvalidInput:
        raise
    except Exception as error:  # data of any shape
        what = f"the parameter {name!r} is {shown(data)}, and lacks something or has it in no usable form"
        raise InvalidInput(f"{what}: write each as in {EXAMPLE}") from error
    known = {"kind", "when"}.union(each.name for each in fields(parameter)) - {"conditions"}
    for word in data:
        if word not in known:
            raise UnknownName.of(f"setting of the parameter {name!r}", word, known)
    return parameter


# -- a trial ----------------------------------------------------------------------------------------------------------


def _ask(ask: Ask) -> Any:
    """A trial to run; or that there is none yet, or none any more."""
    said = ask.body
    name = said.get("worker") or f"{NAMELESS}{secrets.token_hex(4)}"
    with ask.work.at(ask.path["id"]) as session:
        if session.engine.problem.is_open:
            raise InvalidInput(f"{session.name!r} has no space: its objective suggests it, which needs Python")
        lease = ask.work.lease(session, name, said.get("lease"))
        mine = (trial for trial in session.engine.history.running.values() if trial.worker == lease.worker.id)
        trial = next(mine, None) or _begun(session, lease.worker.id)
        if not isinstance(trial, Record):
            lease.release()
            return {"next": "stop" if trial is None else "wait", "worker": name, "seconds": NEXT}
        task = _task(session, trial)
        return {
            "next": "run",
            "worker": name,
            "number": trial.number,
            "attempt": trial.attempt,
            "params": session.engine.problem.space.whole(trial.params),
            "budget": trial.budget,
            "parent": trial.parent,
            "may_be_stopped": task.may_be_stopped,
            "lease": lease.seconds,
        }


def _begun(session: Session, worker: str) -> Record | Wait | None:
    """What a worker begins within what the study was asked for; None where it needs no worker any more."""
    engine = session.engine
    if engine.control == "stopped":
        return None
    total = asked(engine).trials
    if total is not None:
        total += engine.history.forgiven
    begun = None if is_done(engine) else session.begin(total, may_add=True, worker=worker)
    return Wait("one that runs may be lost") if begun is None and engine.history.running else begun


def _report(ask: Ask) -> Any:
    with ask.work.at(ask.path["id"]) as session:
        trial, attempt = _meant(ask, session)
        metrics = _named(session.engine.problem, ask.body["value"])
        report = Report(as_step(ask.body["step"]), metrics, ask.body.get("fold"))
        session.progress(Progress(trial.number, attempt, (report,)))
        return _judged(ask, session, trial, attempt)


def _judge(ask: Ask) -> Any:
    with ask.work.at(ask.path["id"]) as session:
        return _judged(ask, session, *_meant(ask, session))


def _judged(ask: Ask, session: Session, trial: Record, attempt: int) -> Any:
    """Whether an attempt goes on; it is still at work, so its lease is renewed where that is due."""
    runs = session.engine.runs(trial.number, attempt)
    if runs and trial.worker is not None:
        ask.work.renew(session, trial.worker)
    may_go = runs and not _task(session, trial).may_be_stopped
    verdict = Verdict.CONTINUE if may_go else session.verdict(trial.number, attempt)
    return {"verdict": verdict.name.lower(), "should_prune": bool(verdict)}


def _tell(ask: Ask) -> Any:
    said = ask.body
    with ask.work.at(ask.path["id"]) as session:
        trial, attempt = _meant(ask, session)
        history = session.engine.history
        state = _state(said.get("state"))
        metrics, ends_as, failure = meaning(history, trial, _numbers(said.get("values")), state)
        if failure is not None and said.get("message"):
            failure = Failure(failure.kind, said["message"])
        reports: tuple[Report, ...] = ()
        if ends_as is TrialState.COMPLETE:
            told = {report.step for report in history.reports.of(trial.number)}
            ends_as, reports = _task(session, trial).meaning_of(metrics, told)
        elif ends_as is TrialState.PRUNED and session.verdict(trial.number, attempt) is Verdict.PAUSE:
            ends_as = TrialState.PAUSED
        has_ended = trial.is_finished and trial.attempt == attempt
        if has_ended and (trial.state, trial.metrics) != (ends_as, metrics):
            raise InvalidInput(f"trial {trial.number} has ended already, as {trial.state.name}: ask for a new one")
        outcome = Outcome(trial.number, attempt, ends_as, metrics, reports, failure=failure)
        worker = trial.worker or ""
        counts = session.end(outcome)
        if worker.startswith(NAMELESS):
            ask.work.leave(session, worker)
        return {"number": trial.number, "state": trial.state.name.lower(), "counts": counts}


def _state(word: str | None) -> TrialState | None:
    if word is not None and word not in STATES:
        raise UnknownName.of("state", word, STATES)
    return None if word is None else STATES[word]


def _meant(ask: Ask, session: Session) -> tuple[Record, int]:
    """The trial and the attempt that a request is about; raises TrialNotFound."""
    history = session.engine.history
    if ask.number >= len(history):
        raise TrialNotFound(f"no trial {ask.number} in {session.name!r}: it has {len(history)} trials")
    trial = history[ask.number]
    attempt = ask.body.get("attempt") or trial.attempt
    if trial.attempt == 0 or (attempt > trial.attempt and not trial.is_finished):
        raise InvalidInput(f"trial {trial.number} has no attempt {attempt}: ask hands it out")
    return trial, attempt


def _task(session: Session, trial: Record) -> Task:
    """The attempt as an executor would have it; what it keeps, it keeps where it runs."""
    engine = session.engine
    may_be_stopped = engine.scheduler.judges and trial.judged
    problem, seed = engine.problem, engine.seed
    return Task(trial.number, trial.attempt, trial.params, problem, seed, None, may_be_stopped, budget=trial.budget)


def _named(problem: Problem, value: Any) -> dict[str, float]:
    """What is reported, by the names of metrics."""
    value = _numbers(value)
    if isinstance(value, dict):
        return value
    if isinstance(value, list) or len(problem.objectives) > 1:
        raise InvalidInput(f"value={shown(value)}: give an object of metrics, since there are several objectives")
    return {problem.objectives[0].name: value}


def _numbers(value: Any) -> Any:
    """Numbers of JSON as floats, wherever they stand; those that are not finite are text there."""
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    if value in ("nan", "inf", "-inf") or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        try:
            return float(value)
        except OverflowError:
            raise InvalidInput(f"{shown(value)} is too large for a float: give at most 1.79e308") from None
    if value is None:
        return None
    raise InvalidInput(f'{shown(value)} is no number: give one, or "nan", "inf", "-inf"')


ATTEMPT = Field("attempt", "Which attempt; the latest by default. One that was given up is told so.", "integer")
VALUE = "A number; of several objectives a list in their order, or an object of named metrics."

_TABLE = (
    Route(
        f"{WORK}/create",
        "A study, made where there is none of that name.",
        _create,
        body=(
            Field("name", "Its name.", "text", needed=True),
            Field(
                "space", "By name each parameter, as in {'kind': 'float', 'low': 0, 'high': 1}.", "object", needed=True
            ),
            Field("direction", "minimize, or maximize.", "text"),
            Field("directions", "By metric the direction, where there are several.", "object"),
            Field("subject_to", "By metric a bound, as in '<= 20'.", "object"),
            Field("fidelity", "What a cheaper evaluation has less of, as in {'epochs': [1, 81]}.", "object"),
            Field("sampler", "The name of a sampler.", "text"),
            Field("scheduler", "The name of a scheduler.", "text"),
            Field("seed", "What chance depends on.", "integer"),
            Field("n_trials", "How many trials it gets, all workers together.", "integer"),
        ),
    ),
    Route(
        f"{STUDY}/ask",
        "A trial to run (next: run), or that there is none yet (wait), or none any more (stop).",
        _ask,
        body=(
            Field(
                "worker", "Who asks: a name for each that runs one trial at a time. It is made up by default.", "name"
            ),
            Field(
                "lease", "Seconds without a request of its after which it is taken for gone; 60 by default.", "number"
            ),
        ),
    ),
    Route(
        f"{TRIAL}/report",
        "Report a value at a step; whether the trial goes on (verdict: continue, stop or pause).",
        _report,
        body=(
            Field("value", VALUE, "values", needed=True),
            Field("step", "The step, such as an epoch.", "integer", needed=True),
            Field("fold", "Of which fold, instance or seed it is.", "text"),
            ATTEMPT,
        ),
    ),
    Route(
        f"{TRIAL}/judge",
        "Whether the trial goes on, without a report; this also says that its worker is there.",
        _judge,
        body=(ATTEMPT,),
    ),
    Route(
        f"{TRIAL}/tell",
        "The result of a trial.",
        _tell,
        body=(
            Field("values", VALUE, "values"),
            Field("state", "How it ended: complete, pruned or failed.", "text"),
            Field("message", "Why it failed.", "text"),
            ATTEMPT,
        ),
    ),
)
ROUTES: tuple[Route, ...] = tuple(replace(r, method="POST", is_for_workers=True, takes_time=True) for r in _TABLE)
