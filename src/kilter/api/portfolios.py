"""What several studies teach the next one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kilter.api.arguments import DEFAULT_STORAGE
from kilter.api.studies import read_study
from kilter.api.view import StudyView
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Storage
from kilter.plugins import existing_storage
from kilter.runtime.log import names_like

if TYPE_CHECKING:
    from kilter.analysis.portfolio import Portfolio


def portfolio(
    studies: Iterable[StudyView | str] | str, n: int = 5, *, storage: str | Storage | None = DEFAULT_STORAGE
) -> Portfolio:
    """The n configurations of which the best one is best on average over these studies: where to begin with the next.

    Studies are given as such, or by name: those in `storage`, where `*` stands for anything, as in "svm-*". Each has
    its own data, trials and unit; what none of its trials has tried, a model of the study tells. Configurations are of
    the space of the first study: of another one those trials count that have values of it, parameter by parameter.
    With n=1 it is one setting for all data sets. `portfolio.enqueue(study)` has another study begin with them. Raises
    InvalidInput for studies that share no parameter, StudyNotFound, and NotReady where one has fewer than three
    complete trials of that space.

    >>> import kilter
    >>> def tuned(best):
    ...     space = {"x": kilter.Float(0, 1)}
    ...     return kilter.tune(lambda x: (x - best) ** 2, space, n_trials=20, seed=0, progress="none")
    >>> made = kilter.portfolio([tuned(0.2), tuned(0.3), tuned(0.8)], n=2)
    >>> [round(params["x"], 1) for params in made.configurations]
    [0.2, 0.8]
    >>> made.enqueue(kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0))
    [0, 1]
    """
    from kilter.analysis.portfolio import portfolio_of_studies  # loads SciPy

    read = list(_read([studies] if isinstance(studies, str) else studies, storage))
    for study in read:
        study.trials  # noqa: B018 - reads what others wrote
    return portfolio_of_studies([(study.study_name, study.history) for study in read], n, read[0].seed if read else 0)


def _read(given: Iterable[StudyView | str], storage: str | Storage | None) -> Iterable[StudyView]:
    """The studies that are meant, each once."""
    named: dict[str, StudyView] = {}
    opened: Storage | None = None
    for one in given:
        if isinstance(one, StudyView):
            yield one
        elif isinstance(one, str):
            opened = opened or existing_storage(storage)
            fresh = [name for name in names_like(one, opened) if name not in named]
            named |= {name: read_study(study_name=name, storage=opened) for name in fresh}
            yield from (named[name] for name in fresh)
        else:
            raise InvalidInput(f"portfolio([{one!r:.80}]): give studies, or their names")
