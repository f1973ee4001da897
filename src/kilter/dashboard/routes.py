"""The table of all routes below api/v1, and their answers."""

from __future__ import annotations

import json
from typing import Any

from kilter.dashboard import acting, documents, storing, working
from kilter.dashboard.asking import Ask, Content, Query, Route
from kilter.dashboard.export import csv_text, file_name, json_lines
from kilter.dashboard.openapi import openapi
from kilter.dashboard.questions import QUESTIONS, STUDY, TRIAL
from kilter.dashboard.report import report
from kilter.frozen import FrozenTrial
from kilter.runtime.kept import folder_of

BINARY = "application/octet-stream"


def _server(ask: Ask) -> Any:
    return documents.server_json(ask.reading, ask.read_only)


def _studies(ask: Ask) -> Any:
    return [documents.row_json(ask.reading, row, ask.now) for row in ask.reading.rows()]


def _study(ask: Ask) -> Any:
    return documents.study_json(ask.study, ask.now)


def _columns(ask: Ask) -> Content:
    return Content(ask.study.columns(ask.query["after"]), BINARY)


def _trial(ask: Ask) -> Any:
    return documents.trial_json(ask.study, ask.number)


def _printed(ask: Ask) -> Any:
    """The end of what a trial printed, where the study keeps that on this machine."""
    study, number = ask.study, documents.record_of(ask.study, ask.number).number
    folders = folder_of(study.log)
    if folders is None:
        return {"text": "", "bytes": 0}
    try:
        with open(folders.log(number), "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - ask.query["tail"], 0))
            return {"text": file.read(ask.query["tail"]).decode(errors="replace"), "bytes": size}
    except FileNotFoundError:
        return {"text": "", "bytes": 0}


def _exported(ask: Ask) -> Content:
    """A file: all trials, or the pages with all that they show."""
    kind, name = ask.query["format"], file_name(ask.study.name)
    if kind == "report":
        page = report(ask.reading.storage, ask.study.id, ask.now, redact=ask.query["redact"] == "yes")
        return Content(page.encode(), "text/html", f"{name}.html")
    history = ask.history
    trials = [FrozenTrial(record, history) for record in history]
    if kind == "csv":
        return Content(csv_text(trials, history.problem).encode(), "text/csv", f"{name}.csv")
    return Content(json_lines(trials).encode(), "application/jsonl", f"{name}.jsonl")


ROUTES: tuple[Route, ...] = (
    Route("/server", "What is served here.", _server),
    Route("/studies", "All studies, with what there is to say about each in a line.", _studies),
    Route(STUDY, "All about a study but its trials.", _study),
    Route(
        f"{STUDY}/columns",
        "The trials as columns: a header of JSON, then typed arrays.",
        _columns,
        (Query("after", "Only the trials that changed since this revision.", "integer"),),
        media=BINARY,
    ),
    Route(TRIAL, "All about a trial.", _trial),
    Route(
        f"{TRIAL}/log",
        "What a trial printed.",
        _printed,
        (Query("tail", "At most so many bytes of its end.", "integer", 65_536),),
    ),
    Route(
        f"{STUDY}/export",
        "All trials in a file, or a report.",
        _exported,
        (
            Query("format", "Which kind of file.", default="csv", one_of=("csv", "jsonl", "report")),
            Query("redact", "Whether a report leaves out what is private.", default="no", one_of=("no", "yes")),
        ),
        media="application/octet-stream",
    ),
    *QUESTIONS,
    *acting.routes(STUDY),
)


def routes(workers: bool = False) -> tuple[Route, ...]:
    """All routes, with those that are there for workers alone where they are asked for, and their description."""
    table = (*ROUTES, *storing.ROUTES, *working.ROUTES) if workers else ROUTES

    def described(ask: Ask) -> Content:
        return Content(json.dumps(openapi(whole, documents.VERSION)).encode(), "application/json")

    whole = (Route("/openapi.json", "This description.", described), *table)
    return whole
