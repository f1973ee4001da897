"""A plug-in for pytest that has scikit-learn's own tests meet KilterSearchCV under the name of RandomizedSearchCV.

    pytest -p swap_search <scikit-learn>/model_selection/tests/test_search.py

One of these tests knows which candidates a seed draws, so the sampler is the one that draws the same.
"""

from __future__ import annotations


def pytest_configure() -> None:
    """Swap the classes, before any test module is imported; to import this file changes nothing."""
    import sklearn.model_selection
    import sklearn.model_selection._search as home

    from kilter.integrations.sklearn import KilterSearchCV

    KilterSearchCV.__module__ = home.__name__
    KilterSearchCV.__name__ = KilterSearchCV.__qualname__ = "RandomizedSearchCV"
    KilterSearchCV.__init__.__wrapped__.__kwdefaults__["sampler"] = "random"
    home.RandomizedSearchCV = sklearn.model_selection.RandomizedSearchCV = KilterSearchCV
