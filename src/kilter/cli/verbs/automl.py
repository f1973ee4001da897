"""kilter automl."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("classification", "regression")


@click.command("automl")
@options.debug
@click.argument("data")
@click.option("-y", "--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("-o", "--output", default="model.zip", metavar="FILE", help="Where the model goes; model.zip.")
@click.option("--report", metavar="FILE", help="Where the report goes, HTML or Markdown; beside the model.")
@click.option("-t", "--timeout", "--time", "span", metavar="2h30m", help="How long the fit may last; 60s.")
@click.option("-n", "--n-models", type=int, metavar="N", help="So many models instead: the same data, the same model.")
@click.option("--task", type=click.Choice(TASKS), help="What kind of target it is; by default as it looks.")
@click.option("--metric", default="auto", metavar="NAME", help="What counts: any scorer of scikit-learn's.")
@click.option("--preset", default="balanced", metavar="NAME", help="fast, balanced or best.")
@click.option("--member", "members", multiple=True, metavar="NAME", help="A family of models to try; once for each.")
@click.option("--column", "columns", multiple=True, metavar="NAME=KIND", help="What a column is, as zip=category.")
@click.option("--drop", "dropped", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--groups", metavar="COLUMN", help="Rows of the same value are never split over folds.")
@click.option("--weights", metavar="COLUMN", help="How much each row counts.")
@click.option("-j", "--workers", "--jobs", "n_jobs", type=int, default=1, help="How many models are fitted at once; 1.")
@click.option("--seed", type=int, default=0, metavar="NUMBER", help="The random seed; 0.")
@click.option("--storage", envvar="KILTER_STORAGE", metavar="URL", help="Keep the study, to go on with after a kill.")
@click.option("-s", "--study", metavar="NAME", help="The name of the study there.")
@options.as_json
def command(
    data: str,
    target: str,
    output: str,
    report: str | None,
    task: str | None,
    groups: str | None,
    weights: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Find a model for a table, and say what it will score on new rows.

    \b
    kilter automl train.csv --target price -t 60 -o model.zip
    kilter predict model.zip new.csv -o predicted.csv

    DATA is CSV or Parquet. A target of text, or of up to 20 different whole numbers, has classes to tell apart; any
    other is predicted as a number.
    """
    from kilter.automl import Classifier, Regressor
    from kilter.cli import tables

    page = report or f"{os.path.splitext(output)[0]}.html"
    for path in (output, page):
        tables.check_place(path)
    kinds = dict(map(_override, settings["columns"]))
    rows = tables.read(data, [name for name, kind in kinds.items() if kind in ("category", "text")])
    values = tables.taken(rows, target)
    beside = [tables.taken(rows, name) if name is not None else None for name in (groups, weights)]
    features = rows.drop(columns=[name for name in (groups, weights) if name is not None])
    measured = tables.is_measured(values) if task is None else task == "regression"
    show.note(f"{len(rows):,} rows of {data}; {target} is {_as_what(values, measured)}")
    model = (Regressor if measured else Classifier)(**_settings(**settings))
    model.fit(features, target, groups=beside[0], sample_weight=beside[1])
    model.save(output)
    model.report(page)
    if as_json:
        show.echo_json(_document(model, output, page))
        return
    _tell(model)
    show.note(f"model in {output}, report in {page}")


def _settings(
    span: str | None,
    n_models: int | None,
    members: Sequence[str],
    columns: Sequence[str],
    dropped: Sequence[str],
    seed: int,
    study: str | None,
    **same: Any,
) -> dict[str, Any]:
    """The settings of an estimator that options say, as far as they are given."""
    from kilter.cli.specification import duration

    said = dict(map(_override, columns)) | dict.fromkeys(dropped, "drop")
    given = {
        "time_limit": None if span is None else duration(span),
        "n_models": n_models,
        "members": list(members) or None,
        "columns": said,
        "study_name": study,
    }
    return {**same, "random_state": seed, **{name: value for name, value in given.items() if value is not None}}


def _override(word: str) -> tuple[str, str]:
    name, sign, kind = word.rpartition("=")
    if not sign:
        raise click.UsageError(f"--column {word}: say what the column is, as in --column {word}=category")
    return name, kind


def _as_what(values: pd.Series, measured: bool) -> str:
    """What a target is taken for, and how to say otherwise."""
    if measured:
        return f"a number to predict, {values.nunique():,} different ones (--task classification: classes)"
    return f"one of {values.nunique():,} classes (--task regression: a number)"


def _tell(model: Any) -> None:
    """The score to expect, and the models that predict; what to be wary of was logged by the fit."""
    click.echo(click.style(str(model.score_estimate_), bold=True))
    board = model.leaderboard()
    used = board[board["weight"] > 0]
    show.echo_table(
        [
            show.Column("member", [show.text(each) for each in used["member"]], 0),
            show.Column("weight", [f"{each:.2f}" for each in used["weight"]], 0, True),
            show.Column("score", [f"{each:.4f}" for each in used["score"]], 0, True),
            show.Column("seconds", [f"{each:.1f}" for each in used["seconds"]], 1, True),
            show.Column("settings", [show.text(each) for each in used["settings"]], 2),
        ],
        show.width(),
    )
    show.note(f"{len(used)} of {len(board)} candidates predict")


def _document(model: Any, output: str, page: str) -> Mapping[str, Any]:
    estimate = model.score_estimate_
    return {
        "metric": estimate.metric,
        "score": estimate.value,
        "interval": list(estimate.interval),
        "rows": estimate.rows,
        "models": estimate.looked_at,
        "notices": list(model.notices_),
        "model": output,
        "report": page,
    }
