"""From a table to a model that keeps its word: raw rows in, a model out that says what it is worth on new data.

    from kilter.automl import Classifier, Regressor, load

    model = Classifier(time_limit=60, random_state=0).fit(frame, "survived")
    model.predict_proba(new)
    print(model.score_estimate_)

A fit is a study of kilter: reading (what each column is) → encoding (learned inside each fold) → a race of members over
frozen folds → weights → the estimate of what they come to. See docs/how-to/automl.md.
"""
