"""kilter ls."""

from __future__ import annotations

import time
from typing import Any

import click

from kilter.cli import options, show


@click.command("ls")
@options.storage
@options.as_json
@options.wide
@options.debug
def command(storage: str | None, as_json: bool, wide: bool) -> None:
    """List the studies.

    \b
    kilter ls --storage sqlite:///runs/kilter.db
    """
    from kilter.api import read_study
    from kilter.cli.facts import facts
    from kilter.core.errors import KilterError
    from kilter.core.text import shortened

    opened = options.existing(storage)
    rows: list[dict[str, Any]] = []
    for row in opened.studies():
        try:
            rows.append(facts(read_study(study_name=row.name, storage=opened)))
        except KilterError as error:  # a study that cannot be read must not hide the others
            rows.append({"study": row.name, "error": str(error)})
    if as_json:
        show.echo_json([{k: v for k, v in row.items() if k != "last"} for row in rows])
        return
    if not rows:
        show.note(f"no studies in {opened.url}")
        return
    now = time.time()
    columns = [
        show.Column("study", [show.text(row["study"]) for row in rows], 0),
        show.Column("trials", [str(row["trials"]) if "trials" in row else "?" for row in rows], 2, True),
        show.Column("running", [str(row["states"]["RUNNING"]) if "states" in row else "?" for row in rows], 4, True),
        show.Column("best", [_best(row) for row in rows], 1, True),
        show.Column(
            "objective", [", ".join(f"{d} {n}" for n, d in row.get("objectives", {}).items()) for row in rows], 5
        ),
        show.Column("last activity", [show.ago(row.get("last"), now) for row in rows], 3),
    ]
    stands = ["" if row.get("standing", "idle") in ("running", "idle") else row["standing"] for row in rows]
    tags = [shortened(", ".join(map(show.text, row.get("tags", ()))), 60) for row in rows]
    columns += [show.Column("", stands, 2)] if any(stands) else []
    columns += [show.Column("tags", tags, 6)] if any(tags) else []
    show.echo_table(columns, show.width(wide))
    for known in rows:
        if "error" in known:
            show.note(f"{known['study']}: {known['error']}")


def _best(row: dict[str, Any]) -> str:
    best = row.get("best") or []
    if len(best) > 1:
        return f"front of {len(best)}"
    return " ".join(show.text(best[0]["metrics"][name]) for name in row["objectives"]) if best else "-"
