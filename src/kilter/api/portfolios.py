"""What several studies teach the next one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kilter.api.view import StudyView

if TYPE_CHECKING:
    from kilter.analysis.portfolio import Portfolio


def portfolio(studies: Iterable[StudyView], k: int = 5) -> Portfolio:
    """The k configurations of which the best one is best on average over these studies: where to begin with the next.

    The studies have the same space, and each its own data, trials and unit; what none of its trials has tried, a model
    of the study tells. `portfolio.enqueue(study)` has another study begin with them. Raises InvalidInput for studies of
    different spaces, and NotReady where one has fewer than three complete trials.

    >>> import kilter
    >>> def tuned(best):
    ...     space = {"x": kilter.Float(0, 1)}
    ...     return kilter.tune(lambda x: (x - best) ** 2, space, n_trials=20, seed=0, progress="none")
    >>> made = kilter.portfolio([tuned(0.2), tuned(0.3), tuned(0.8)], k=2)
    >>> [round(params["x"], 1) for params in made.configurations]
    [0.2, 0.8]
    >>> made.enqueue(kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0))
    [0, 1]
    """
    from kilter.analysis.portfolio import portfolio_of_studies  # loads SciPy

    read = list(studies)
    for study in read:
        study.trials  # noqa: B018 - reads what others wrote
    return portfolio_of_studies([(study.study_name, study.history) for study in read], k, read[0].seed if read else 0)
