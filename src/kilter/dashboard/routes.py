"""The table of all routes below api/v1, and their answers."""

from __future__ import annotations

import json
from typing import Any

from kilter.core.interfaces import OnDisk
from kilter.dashboard import acting, analyses, documents
from kilter.dashboard.asking import Ask, Content, Query, Route
from kilter.dashboard.export import csv_text, file_name, json_lines
from kilter.dashboard.openapi import openapi
from kilter.frozen import FrozenTrial
from kilter.runtime.checkpoints import store_of

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
    """The end of what a trial printed, where the study keeps that beside its storage."""
    study, number = ask.study, documents.record_of(ask.study, ask.number).number
    if not isinstance(study.storage, OnDisk):
        return {"text": "", "bytes": 0}
    try:
        with open(store_of(None, study.storage, study.id).log(number), "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - ask.query["tail"], 0))
            return {"text": file.read(ask.query["tail"]).decode(errors="replace"), "bytes": size}
    except FileNotFoundError:
        return {"text": "", "bytes": 0}


STUDY, TRIAL = "/studies/{id:int}", "/studies/{id:int}/trials/{number:int}"
OBJECTIVE = Query("objective", "An objective, by its name or its place.", default="0")
AGAINST = Query("against", "What results are held against.", default="trials", one_of=("trials", "time", "cost"))


def _analysis(path: str, says: str, answer: Any, *query: Query, ages: bool = False) -> Route:
    return Route(path, says, answer, query, takes_time=True, ages=ages)


def _exported(ask: Ask) -> Content:
    """A file: all trials, or the pages with all that they show."""
    kind, name = ask.query["format"], file_name(ask.study.name)
    if kind == "report":
        from kilter.dashboard.report import report  # which is made of these routes

        page = report(ask.reading.storage, ask.study.id, ask.now, redact=ask.query["redact"] == "yes")
        return Content(page.encode(), "text/html", f"{name}.html")
    history = ask.history
    trials = [FrozenTrial(record, history) for record in history]
    if kind == "csv":
        return Content(csv_text(trials, history.problem).encode(), "text/csv", f"{name}.csv")
    return Content(json_lines(trials).encode(), "application/jsonl", f"{name}.jsonl")


def _openapi(ask: Ask) -> Content:
    return Content(json.dumps(openapi(ROUTES, documents.VERSION)).encode(), "application/json")


ROUTES: tuple[Route, ...] = (
    Route("/openapi.json", "This description.", _openapi),
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
    _analysis(f"{TRIAL}/why", "Why the sampler chose its configuration, and what its model expected.", analyses.why),
    _analysis(f"{TRIAL}/forecast", "Where its reports are heading.", analyses.forecast),
    _analysis(f"{STUDY}/convergence", "The best value so far.", analyses.convergence, OBJECTIVE, AGAINST),
    _analysis(
        f"{STUDY}/importance",
        "How much each parameter matters, and how sure that is.",
        analyses.importance,
        OBJECTIVE,
        Query("method", "How it is computed.", default="auto", one_of=("auto", "surrogate", "fanova", "pedanova")),
    ),
    _analysis(
        f"{STUDY}/effects",
        "What the surrogate believes of single parameters.",
        analyses.effects,
        OBJECTIVE,
        Query("name", "The parameter, or the part of a compound; else those that matter most.", default=""),
        Query("top", f"Of how many that is told, {analyses.MOST_EFFECTS} at most.", "integer", 12),
    ),
    _analysis(
        f"{STUDY}/interaction",
        "What the surrogate believes of two parameters together.",
        analyses.interaction,
        Query("a", "One of them; where neither is named, the pair that matters most.", default=""),
        Query("b", "The other.", default=""),
        OBJECTIVE,
    ),
    _analysis(f"{STUDY}/quality", "How well the surrogate predicts what it was not told.", analyses.quality, OBJECTIVE),
    _analysis(f"{STUDY}/diagnostics", "What is wrong or good to know, in words.", analyses.diagnostics, ages=True),
    _analysis(
        f"{STUDY}/curves",
        "Bands of learning curves, those of the best trials, and of the chosen ones.",
        analyses.curves,
        Query("metric", "What was reported; by default the first objective."),
        Query("top", "How many of the best trials' curves come along, 200 at most.", "integer", 5),
        Query("numbers", "The trials that are chosen.", "integers", ()),
    ),
    _analysis(f"{STUDY}/rungs", "The ladder of trials that were stopped early.", analyses.rungs),
    _analysis(f"{STUDY}/pareto", "The front, its knee, and the volume that it came to dominate.", analyses.pareto),
    _analysis(f"{STUDY}/timeline", "Who worked when.", analyses.timeline, ages=True),
    _analysis(f"{STUDY}/lineage", "Who descends from whom.", analyses.lineage),
    _analysis(f"{STUDY}/space", "Where trials lie in the space, parameter by parameter.", analyses.space),
    _analysis(f"{STUDY}/next", "What a free worker would do now, and why.", analyses.upcoming),
    _analysis(
        "/compare",
        "Several studies beside one another.",
        analyses.compare,
        Query("studies", "The ids of the studies.", "integers", ()),
        Query("group", "By what studies go together, as seeds of one.", default="name", one_of=("name", "study")),
        Query("objective", "The place of the objective.", "integer", 0),
        AGAINST,
    ),
    *acting.routes(STUDY),
)
