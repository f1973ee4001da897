"""What a user wants of a study, written into its log, where whoever works on it finds it within a second or two.

It needs the log alone: no plug-in, no objective, no lease. `now` is the clock's seconds since the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kilter.core.border import LAST_SECOND, MAX_BODY, TRIALS
from kilter.core.errors import NAME, InvalidInput, TrialNotFound
from kilter.core.events import (
    ASKED,
    NOTE,
    RETRIES,
    TAG,
    Controlled,
    Enqueued,
    Granted,
    Invalidated,
    Noted,
    TrialState,
)
from kilter.core.history import Record
from kilter.core.limits import Limits
from kilter.core.options import Choice
from kilter.core.problem import Problem
from kilter.core.space import Config
from kilter.core.text import is_unicode, one_line, shown
from kilter.engine.asked import asked, noted
from kilter.engine.replica import Replica
from kilter.runtime.log import Log
from kilter.runtime.notices import notice

AnyLog = Log[Replica]

LONGEST_TEXT = 20_000
"""Characters of a note or a reason: what is longer is a file, whose name can be noted."""
LONGEST_TAG = 200


def pause(log: AnyLog, now: float) -> bool:
    """Have no trial begin anywhere, while what runs goes on; False where the study is paused already."""
    return _controlled(log, "paused", now)


def unpause(log: AnyLog, now: float) -> bool:
    """Have trials begin again; False where the study was neither paused nor stopped."""
    return _controlled(log, "running", now)


def stop(log: AnyLog, now: float, *, cuts: bool = False) -> None:
    """End the runs that there are, on whichever host; one that is started later is not meant.

    What they evaluate runs to its end or, with `cuts`, is broken off and waits for the next run to go on with it.
    """
    log.write(Controlled("stopped", now, cuts))


def begin(log: AnyLog, now: float) -> None:
    """A run begins: a study that was stopped goes on, one that is paused stays so."""
    if log.replica.control == "stopped":
        log.write(Controlled("running", now))


def stopped_at(log: AnyLog) -> int | None:
    """A place in the log before the stop by which a study is stopped; None for one that is not."""
    return log.replica.steering.stopped - 1 if log.replica.control == "stopped" else None


def note_asked(log: AnyLog, now: float, limits: Limits, calls: int | None) -> None:
    """Note what a run is asked for, unless that is known, for who looks at the study from elsewhere.

    A run that counts its own trials, `calls`, asks for no total.
    """
    wanted = noted(limits)
    if (calls is None or limits.trials is not None) and wanted != log.replica.attrs.get(ASKED, {}):
        log.write(Noted(None, {ASKED: wanted}, now))


def note_total(log: AnyLog, now: float, limits: Limits) -> None:
    """Note what one who lends a hand is asked for: all of it where nobody asked before, else a total that is larger.

    Its limit in seconds is its own, and of a study that was stopped nothing is wanted.
    """
    known = asked(log.replica)
    before = noted(known)
    wanted = before or {name: value for name, value in noted(limits).items() if name != "seconds"}
    if limits.trials is not None:
        wanted = {**wanted, "trials": int(max(limits.trials, known.trials or 0))}
    if wanted != before and log.replica.control != "stopped":
        log.write(Noted(None, {ASKED: wanted}, now))


def paused_text(log: AnyLog) -> str:
    """That nothing begins in a study that is paused, and how it goes on."""
    name = log.name
    way = "study.unpause()"
    if log.storage.is_durable:
        way += f", or `{log.command('unpause')}`,"
    return f"{one_line(name, NAME)} is paused, so no trial begins: {way} lets it go on"


def _controlled(log: AnyLog, control: str, now: float) -> bool:
    with log.lock:
        log.sync()
        is_news = log.replica.control != control
        if is_news:
            log.write(Controlled(control, now))
        return is_news


def add_budget(log: AnyLog, now: float, *, trials: int = 0, seconds: float = 0.0) -> None:
    """Let the study have so many trials more, all its workers together, and let the runs that there are last longer.

    Added trials come on top of the number that a run is asked for. Raises InvalidInput where nothing is added.
    """
    for what, value, end in (("trials", trials, TRIALS), ("seconds", seconds, LAST_SECOND)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < end:
            raise InvalidInput(f"{what}={shown(value, 40)}: give how many to add, from 0 on, below {end:,}")
    if trials % 1 or not (trials or seconds):
        raise InvalidInput(f"trials={trials!r}, seconds={seconds!r}: give a whole number of trials, or seconds, to add")
    log.write(Granted(int(trials), float(seconds), now))


def enqueue(
    log: AnyLog,
    params: Mapping[str, Any],
    now: float,
    *,
    attrs: Mapping[str, Any] | None = None,
    judged: bool = True,
) -> int:
    """Have a (partial) configuration tried next; the sampler fills in what is missing. Returns its number.

    Raises InvalidInput for values that a known parameter cannot have; a value that is not active beside the others is
    dropped with a warning.
    """
    with log.lock:
        log.sync()
        return queue(log, plain(log.replica.problem, params), now, attrs=attrs, judged=judged)


def plain(problem: Problem, params: Mapping[str, Any]) -> Config:
    """Values as the log holds them; names that only the objective knows are taken on trust in define-by-run."""
    space = problem.space
    if not problem.is_open:
        config = space.plain(params, partial=True)
        for name in params.keys() - config.keys() - space.whole(config).keys():
            conditions = " and ".join(f"{c.parent} in {list(c.values)!r}" for c in space[name].conditions)
            notice(f"the enqueued {name}={shown(params[name])} is dropped: {name} is active only with {conditions}")
        return config
    config = {}
    for name, value in params.items():
        try:
            config |= space.plain_of({name: value}) if name in space else _on_trust(name, value)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error}") from None
    return config


def _on_trust(name: str, value: Any) -> Config:
    """A value of a parameter that nobody has declared, as an option."""
    told = Choice([value]).plain(value)
    _check_said("params", json.dumps({name: told}, ensure_ascii=False, default=str), MAX_BODY)
    return {name: told}


def queue(
    log: AnyLog, config: Config, now: float, *, attrs: Mapping[str, Any] | None = None, judged: bool = True
) -> int:
    """Put a plain configuration in the queue; its number."""
    with log.lock:
        before = len(log.replica.history)
        log.write(Enqueued(None, config, now, attrs=attrs or {}, judged=judged))
        return [trial.number for trial in log.replica.history.trials[before:] if trial.params == config][-1]


def retry(log: AnyLog, numbers: Sequence[int], now: float) -> list[int]:
    """Queue the configurations of failed and invalidated trials again, as new ones in their place; the new numbers.

    One that was queued again before is left out. Raises InvalidInput for one that has not failed, and TrialNotFound.
    """
    with log.lock:
        log.sync()
        history = log.replica.history
        for number in numbers:
            state = _trial(log, number).state
            if state is not TrialState.FAIL:
                raise InvalidInput(f"trial {number} has not failed, it is {state.name}: nothing to retry")
        again = {trial.attrs.get(RETRIES) for trial in history}
        return [
            queue(log, failed.params, now, attrs={RETRIES: failed.number}, judged=failed.judged)
            for failed in map(history.__getitem__, dict.fromkeys(numbers))
            if failed.number not in again and (failed.invalid is not None or not failed.forgiven)
        ]


def invalidate(log: AnyLog, number: int, reason: str, now: float) -> bool:
    """Have the result of a finished trial count no more: not for the best, the models, the schedulers or the budget.

    Its record stays, as failed for this reason, and the trial may be retried. False where that was said before. Raises
    InvalidInput for a trial that has not finished, and TrialNotFound.
    """
    with log.lock:
        log.sync()
        trial = _trial(log, number)
        if not trial.is_finished:
            raise InvalidInput(f"trial {number} is {trial.state.name}: only a finished trial can be invalidated")
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidInput(f"reason={reason!r}: say in a few words why trial {number} shall not count")
        _check_said("reason", reason)
        is_news = trial.invalid is None
        if is_news:
            log.write(Invalidated(number, reason, now))
        return is_news


def note(log: AnyLog, number: int | None, text: str, now: float) -> None:
    """Note a text on a trial or, with None, on the study, in the place of what was noted before; "" removes that."""
    if not isinstance(text, str):
        raise InvalidInput(f"text={text!r}: give the text of the note")
    _check_said("text", text)
    with log.lock:
        log.sync()
        if number is not None:
            _trial(log, number)
        log.write(Noted(number, {NOTE: text}, now))


def tag(log: AnyLog, names: Iterable[str], now: float, *, has: bool = True) -> None:
    """Give the study tags or, where it `has` not to have them, take them away."""
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if not isinstance(name, str) or not name.strip():
            raise InvalidInput(f"{name!r} is no tag: give a few words")
        if has:  # what a log has already can be taken away
            _check_said("tag", name, LONGEST_TAG)
    if wanted:
        log.write(Noted(None, {f"{TAG}{name}": has for name in wanted}, now))


def _trial(log: AnyLog, number: int) -> Record:
    history = log.replica.history
    if isinstance(number, bool):
        raise InvalidInput(f"{number} is no trial: give its number")
    if not isinstance(number, int) or not 0 <= number < len(history):
        raise TrialNotFound(f"no trial {number} in {log.name!r}: it has {len(history)} trials")
    return history[number]


def _check_said(what: str, text: str, most: int = LONGEST_TEXT) -> None:
    """Raise InvalidInput for what a user says at too great length, or in halves of characters, which no file takes."""
    if len(text) > most:
        raise InvalidInput(f"{what}={shown(text)} has {len(text):,} characters: give at most {most:,}")
    if not is_unicode(text):
        raise InvalidInput(f"{what}={shown(text)}: it has half a character (a lone surrogate): leave that out")
