"""kilter predict."""

from __future__ import annotations

import warnings

import click

from kilter.cli import options, show


@click.command("predict")
@options.debug
@click.argument("model")
@click.argument("data")
@click.option("-o", "--output", metavar="FILE", help="Where to, CSV or Parquet; stdout otherwise.")
@click.option("--proba", is_flag=True, help="The probability of each class, too.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy a column of the data, as an identifier.")
@click.option("--trust", is_flag=True, help="Read models of CatBoost and XGBoost, too, whoever wrote them.")
def command(model: str, data: str, output: str | None, proba: bool, keep: tuple[str, ...], trust: bool) -> None:
    """Predict the rows of a table with a model that `kilter automl` wrote.

    \b
    kilter predict model.zip new.csv -o predicted.csv
    kilter predict model.zip new.parquet --proba --keep id

    The rows come in their order. Columns that the model does not know are ignored, missing ones are named.
    """
    from kilter.automl import load
    from kilter.cli import tables
    from kilter.core.errors import InvalidInput

    try:
        fitted = load(model, trust=trust)
    except OSError as error:
        raise InvalidInput(f"cannot read {model}: {error.strerror}") from None
    if proba and not hasattr(fitted, "predict_proba"):
        raise InvalidInput(f"{model} predicts numbers, which have no probabilities: leave out --proba")
    rows = tables.read(data, fitted.model_.reading.texts)
    told = {name: tables.taken(rows, name) for name in keep}
    with warnings.catch_warnings(record=True) as doubts:
        predicted = {"prediction": fitted.predict(rows)}
        if proba:
            names = [f"probability_{name}" for name in fitted.classes_]
            predicted |= dict(zip(names, fitted.predict_proba(rows).T))
    for doubt in dict.fromkeys(str(each.message) for each in doubts):
        show.note(f"! {doubt}")
    if both := [name for name in told if name in predicted]:
        raise InvalidInput(f"--keep {both[0]}: the predictions have a column of that name")
    tables.write(tables.of({**told, **predicted}), output)
    if output is not None:
        show.note(f"{len(rows)} predictions in {output}")
