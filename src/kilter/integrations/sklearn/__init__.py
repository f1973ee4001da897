"""A search over hyperparameters in the words of scikit-learn: KilterSearchCV takes the place of RandomizedSearchCV.

    from kilter.integrations.sklearn import KilterSearchCV

    search = KilterSearchCV(SVC(), {"C": kilter.Float(1e-3, 1e3, log=True), "kernel": ["rbf", "poly"]}, n_iter=40)
    search.fit(X, y).best_params_

How it is built: scikit-learn's own `fit` hands out all candidates of a batch before it sees a score, so a class that
only overrides `_run_search` is either sequential or blind. Here `fit` keeps the steps of scikit-learn's, with its
helpers for each (scorers, routing, `_fit_and_score`, the table, the choice), and the loop between them is that of any
study: an executor whose unit of work is one fit on one fold. So there is one result in, one candidate out, and
schedulers, storages and limits work as everywhere. The processes are joblib's own. The helpers are private to scikit-
learn; those used here are alike from 1.6 to 1.9, and its own tests of RandomizedSearchCV run with this class in its
place.
"""

from kilter.core.errors import needed

with needed("scikit-learn joblib", "kilter.integrations.sklearn"):
    import joblib  # noqa: F401 - before the files of this package, which need them
    import sklearn  # noqa: F401

from kilter.integrations.sklearn.search import KilterSearchCV

__all__ = ["KilterSearchCV"]
