"""kilter trials."""

from __future__ import annotations

from typing import Any

import click

from kilter.cli import options, show


class _State(click.Choice):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.2 on
    """The states by the names that tables and progress lines call them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name that the choice knows."""
        return super().convert({"fail": "failed", "done": "complete"}.get(value.lower(), value), param, ctx)


@click.command("trials")
@options.study
@click.option(
    "--sort",
    default="number",
    metavar="COLUMN",
    help="number, value (best first), duration, a metric or a parameter; -COLUMN for the largest first.",
)
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="How many; 0 for all.")
@click.option(
    "--state",
    type=_State(["running", "complete", "pruned", "failed", "waiting", "paused"], case_sensitive=False),
    help="Only these.",
)
@options.as_json
@options.wide
def command(
    name: str | None,
    option: str | None,
    storage: str | None,
    sort: str,
    limit: int,
    state: str | None,
    as_json: bool,
    wide: bool,
) -> None:
    """List the trials: the last ones, or with --sort the first in that order.

    \b
    kilter trials digits --sort value --limit 5
    """
    from kilter.cli.listing import columns_of, ordered
    from kilter.core.events import TrialState

    study = options.look(options.chosen(name, option), storage)
    wanted = None if state is None else [s for s in TrialState if show.state(s.name) == state]
    found = study.get_trials(states=wanted)
    shown = ordered(study, found, sort)
    if limit and sort == "number":
        shown = shown[-limit:]
    elif limit:
        shown = shown[:limit]
    if as_json:
        show.echo_json([show.trial_json(trial) for trial in shown])
        return
    if not shown:
        show.note(f"the study {study.study_name!r} has no {state + ' ' if state else ''}trials")
        return
    dropped = show.echo_table(columns_of(study, shown), show.width(wide))
    remarks = []
    if len(shown) < len(found):
        which = "last" if sort == "number" else "first"
        remarks.append(f"the {which} {len(shown)} of {len(found)} trials; --limit 0 shows all")
    if dropped:
        names = ", ".join(dropped[:4]) + (", …" if len(dropped) > 4 else "")
        remarks.append(f"no room for {names}; --wide shows all")
    for remark in remarks:
        show.note(remark)
