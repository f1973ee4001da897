"""What a user does to a study from a page: each is an event in its log, written by `runtime.steering`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kilter.dashboard.asking import Ask, Field, Route
from kilter.engine.replica import Replica
from kilter.runtime import steering
from kilter.runtime.log import Log

Act = Callable[[Log[Replica], Mapping[str, Any], float], "Mapping[str, Any] | None"]


def _pause(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.pause(log, now)


def _unpause(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.unpause(log, now)


def _stop(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.stop(log, now, cuts=bool(said.get("cuts", False)))


def _budget(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.add_budget(log, now, trials=said.get("trials") or 0, seconds=said.get("seconds") or 0.0)


def _enqueue(log: Log[Replica], said: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    return {"number": steering.enqueue(log, said["params"], now)}


def _retry(log: Log[Replica], said: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    numbers = said.get("numbers") or ([said["number"]] if "number" in said else [])
    return {"numbers": steering.retry(log, numbers, now)}


def _invalidate(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.invalidate(log, said["number"], said["reason"], now)


def _note(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.note(log, said.get("number"), said["text"], now)


def _tag(log: Log[Replica], said: Mapping[str, Any], now: float) -> None:
    steering.tag(log, said["names"], now, has=bool(said.get("has", True)))


NUMBER = Field("number", "A trial.", "integer", needed=True)
ACTIONS: Mapping[str, tuple[str, Act, tuple[Field, ...]]] = {
    "pause": ("No trial begins; what runs goes on.", _pause, ()),
    "unpause": ("Trials begin again.", _unpause, ()),
    "stop": ("The runs that there are end.", _stop, (Field("cuts", "What runs is broken off.", "boolean"),)),
    "budget": (
        "The study may have more trials, or time.",
        _budget,
        (Field("trials", "How many more.", "integer"), Field("seconds", "How much longer runs may last.", "number")),
    ),
    "enqueue": (
        "A configuration is tried next.",
        _enqueue,
        (Field("params", "Values by parameter; the sampler fills in what is missing.", "object", needed=True),),
    ),
    "retry": (
        "Failed trials are run again, as new ones.",
        _retry,
        (Field("number", "A trial.", "integer"), Field("numbers", "Or several.", "integers")),
    ),
    "invalidate": (
        "The result of a trial counts no more.",
        _invalidate,
        (NUMBER, Field("reason", "Why.", "text", needed=True)),
    ),
    "note": (
        "A text on a trial or the study, in the place of the one before.",
        _note,
        (
            Field("number", "A trial; without one, the study.", "integer"),
            Field("text", "The note.", "text", needed=True),
        ),
    ),
    "tag": (
        "Tags of the study.",
        _tag,
        (Field("names", "The tags.", "texts", needed=True), Field("has", "False takes them away.", "boolean")),
    ),
}


def routes(study: str) -> tuple[Route, ...]:
    """A route for each action on the study at this path."""
    return tuple(
        Route(f"{study}/actions/{name}", says, _answer(act), method="POST", body=fields)
        for name, (says, act, fields) in ACTIONS.items()
    )


def _answer(act: Act) -> Callable[[Ask], Any]:
    def answer(ask: Ask) -> Any:
        log = ask.study.changing
        found = act(log, ask.body, ask.now)
        return {"ok": True, **(found or {}), "revision": log.replica.position}

    return answer
