"""The routes whose answers take a moment, and are computed apart: those that a report records."""

from __future__ import annotations

from typing import Any

from kilter.dashboard import analyses
from kilter.dashboard.asking import Query, Route

STUDY, TRIAL = "/studies/{id:int}", "/studies/{id:int}/trials/{number:int}"
OBJECTIVE = Query("objective", "An objective, by its name or its place.", default="0")
AGAINST = Query("against", "What results are held against.", default="trials", one_of=("trials", "time", "cost"))


def _analysis(path: str, says: str, answer: Any, *query: Query, ages: bool = False) -> Route:
    return Route(path, says, answer, query, takes_time=True, ages=ages)


QUESTIONS: tuple[Route, ...] = (
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
    _analysis(
        f"{STUDY}/generalisation",
        "What to expect on new data: which configuration to take, its score, and what luck did to the best one.",
        analyses.generalisation,
    ),
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
    _analysis(
        f"{STUDY}/transfer",
        "Which earlier studies teach it, how right they are, and what it owes them.",
        analyses.transfer,
    ),
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
)
