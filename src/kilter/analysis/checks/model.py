"""What the surrogate of a study says of it: how far it can be believed, what does not matter, what is left to gain."""

from __future__ import annotations

from collections.abc import Iterator

from kilter.analysis.finding import LOOK, NAME, NOTE, Finding, Subject, share
from kilter.analysis.gain import expected_gain, fewest
from kilter.analysis.importance import importance
from kilter.analysis.quality import quality
from kilter.core.text import one_line

POOR = 0.2
"""A model that explains a smaller share of the variance than this predicts poorly."""
NOISY = 0.5
"""From this share of the variance on that the model takes for noise, that is why."""
FEWEST = 30
"""Complete trials before the model is judged, ..."""
PER_PARAMETER = 10
"""... and so many for each parameter before one is said not to matter."""
GOOD = 0.5
"""Only a model that explains so much of the variance is asked what does not matter, ..."""
MISSED = 0.15
"""... where parameters and pairs of them add up to what it explains, but for this."""
NOTHING = 0.02
"""A parameter that explains less, even at the upper end of what is likely, does not matter."""
NAMED = 5
"""Parameters that a sentence names."""
MEASURE = "Measure more exactly: more folds or seeds in each trial."
UNDERSTAND = (
    "Look at effects and slices: a log scale or a parameter may be missing, or the search is so near its best that "
    "only noise is left."
)


def poor(subject: Subject) -> Iterator[Finding]:
    """The model predicts badly what trials return."""
    for place, objective in enumerate(subject.history.problem.objectives):
        if len(subject.best) < FEWEST or not len(subject.history.problem.space):
            return
        seen = quality(subject.history, place, subject.seed)
        if not seen.r2 < POOR:  # NaN where all values are equal
            continue
        is_noisy = seen.noise >= NOISY
        why = "it takes most of what it sees for noise" if is_noisy else "neighbours differ"
        yield Finding(
            "model",
            LOOK,
            f"The model explains {share(max(seen.r2, 0.0))} of how {one_line(objective.name, NAME)} varies over "
            f"{seen.trials} trials: {why}.",
            MEASURE if is_noisy else UNDERSTAND,
            {
                "objective": objective.name,
                "r2": seen.r2,
                "rank_correlation": seen.rank_correlation,
                "coverage": seen.coverage,
                "noise": seen.noise,
                "trials": seen.trials,
            },
        )


def irrelevant(subject: Subject) -> Iterator[Finding]:
    """Parameters that change no objective."""
    space, objectives = subject.history.problem.space, subject.history.problem.objectives
    if len(space.declared) < 2 or len(subject.best) < max(FEWEST, PER_PARAMETER * len(space)):
        return
    left, most = set(space.declared), dict.fromkeys(space.declared, 0.0)
    for place in range(len(objectives)):
        told = importance(subject.history, place, seed=subject.seed)
        sums = sum(one.share for one in told.shares) + sum(pair.share for pair in told.pairs)
        if told.explained is None or told.explained < GOOD or sums < told.explained - MISSED:
            return  # what is not understood may be what the others do
        paired = {name for pair in told.pairs if pair.share >= NOTHING for name in pair.parameters}
        few = {one.parameter for one in told.shares if one.high >= NOTHING or one.active < FEWEST}
        most.update({one.parameter: max(one.high, most[one.parameter]) for one in told.shares})
        left -= paired | few
    names = sorted(left, key=lambda name: (most[name], name))
    if not names or len(names) == len(space.declared):
        return
    shown = ", ".join(one_line(name, NAME) for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    them = "it" if len(names) == 1 else "them"
    best = space.whole(subject.history[int(subject.best[0])].params)
    where = " at the best trial's" if all(name in best for name in names) else ""  # not all are active there
    yield Finding(
        "irrelevant",
        NOTE,
        f"{shown}{more} {'does' if len(names) == 1 else 'do'} not matter: "
        f"{'it explains' if len(names) == 1 else 'each explains'} less than {share(NOTHING)} of what trials return.",
        f"Fix {them}{where}, and spend the trials on the others.",
        {"below": NOTHING, "shares": {name: most[name] for name in names}},
        tuple(names),
    )


def not_worth_it(subject: Subject) -> Iterator[Finding]:
    """What the next hour is expected to bring is lost in noise."""
    history = subject.history
    if not subject.is_single or len(history.finished) < fewest(len(history.problem.space)):
        return
    gain = expected_gain(history, subject.seed)
    if gain is None or not gain.value < gain.lost_below:
        return
    name = one_line(history.problem.objectives[0].name, NAME)
    yield Finding(
        "gain",
        NOTE,
        f"The next hour is expected to improve {name} by {gain.value:.2g}, less than a quarter of what looks like "
        f"noise in it, {gain.noise:.2g}.",
        "Stop here, or measure more exactly. If results are exact, the objective is rough, and going on is fair.",
        {"gain": gain.value, "noise": gain.noise, "trials_in_an_hour": gain.trials, "finished": len(history.finished)},
    )


CHECKS = (not_worth_it, poor, irrelevant)
