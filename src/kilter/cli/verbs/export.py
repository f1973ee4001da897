"""kilter export."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import options, show
from kilter.core.text import in_unicode

if TYPE_CHECKING:
    from kilter.api import StudyView

ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@click.command("export")
@options.study
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "jsonl", "parquet", "optuna"]),
    help="By default what the file ends in, optuna for a URL, else csv.",
)
@click.option("-o", "--output", metavar="FILE|URL", help="Where to; stdout otherwise.")
def command(name: str | None, option: str | None, storage: str | None, form: str | None, output: str | None) -> None:
    """Write all trials as CSV, JSON, JSON lines or Parquet, or as a study of Optuna's.

    \b
    kilter export digits -o digits.csv
    kilter export digits --format jsonl | jq .metrics
    kilter export digits -o sqlite:///optuna.db

    In CSV, text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    from kilter.core.errors import InvalidInput
    from kilter.dashboard.export import csv_text, json_lines

    form = form or _implied(output or "")
    study = options.look(options.chosen(name, option), storage)
    if form == "optuna":
        if output is None or "://" not in output:
            raise InvalidInput("give the URL of a storage of Optuna's: -o sqlite:///optuna.db")
        from kilter.integrations.optuna import export_study

        export_study(study, output)
        show.note(f"{len(study.trials)} trials in {output}")
        return
    if form == "parquet":
        if output is None and sys.stdout.isatty():
            raise InvalidInput("Parquet is not text for a terminal: give -o FILE")
        data = _parquet(study)
    elif form in ("json", "jsonl"):
        data = _json(study).encode() if form == "json" else json_lines(study.trials).encode()
    else:
        data = csv_text(study.trials, study.problem).encode()
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        with open(output, "wb") as file:
            file.write(data)
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror}") from None
    show.note(f"{len(study.trials)} trials in {output}")


def _implied(output: str) -> str:
    """The format that a URL or the ending of a file says; without an ending, CSV."""
    from kilter.core.errors import InvalidInput

    if "://" in output:
        return "optuna"
    ending = os.path.splitext(output)[1].lower()
    if ending and ending not in ENDINGS:
        raise InvalidInput(f"no format ends in {ending}: name the file {', '.join(ENDINGS)}, or say it with --format")
    return ENDINGS.get(ending, "csv")


def _json(study: StudyView) -> str:
    documents = [show.safe(show.trial_json(trial, reports=True)) for trial in study.trials]
    return in_unicode(json.dumps(documents, ensure_ascii=False, indent=2)) + "\n"


def _parquet(study: StudyView) -> bytes:
    from kilter.core.errors import needed
    from kilter.dashboard.export import rows

    with needed("pyarrow", "Parquet", "or use --format csv"):
        import pyarrow
        from pyarrow import parquet
    titles, table = rows(study.trials, study.problem)
    columns = {in_unicode(title): _even([row[i] for row in table]) for i, title in enumerate(titles)}
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def _even(cells: Sequence[Any]) -> list[Any]:
    """Cells of one type: a choice may mix numbers and text, which a column of Parquet may not."""
    cells = [in_unicode(cell) if isinstance(cell, str) else cell for cell in cells]
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) < 2:
        return list(cells)
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return [None if cell is None else str(cell) for cell in cells]
