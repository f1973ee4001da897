"""A plug-in for pytest that has scikit-learn's own tests meet KilterSearchCV under the name of RandomizedSearchCV.

Those that are of other searches alone are left out.

    pytest -p swap_search <scikit-learn>/model_selection/tests/test_search.py

One of these tests knows which candidates a seed draws, so the sampler is the one that draws the same.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

OURS = "RandomizedSearchCV"


def pytest_configure() -> None:
    """Swap the classes, before any test module is imported; to import this file changes nothing."""
    import sklearn.model_selection
    import sklearn.model_selection._search as home

    from kilter.integrations.sklearn import KilterSearchCV

    KilterSearchCV.__module__ = home.__name__
    KilterSearchCV.__name__ = KilterSearchCV.__qualname__ = OURS
    KilterSearchCV.__init__.__wrapped__.__kwdefaults__["sampler"] = "random"
    home.RandomizedSearchCV = sklearn.model_selection.RandomizedSearchCV = KilterSearchCV


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    items[:] = filter(_is_of_ours, items)


def _is_of_ours(item: pytest.Function) -> bool:
    given = repr(item.callspec.params) if hasattr(item, "callspec") else ""
    if "SearchCV" in given:
        return OURS in given
    return OURS in inspect.getsource(item.function) or "delegation" in item.name  # which goes through a list of all
