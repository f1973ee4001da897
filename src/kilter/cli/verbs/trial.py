"""kilter trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    from kilter.api import StudyView
    from kilter.frozen import FrozenTrial


@click.command("trial")
@click.argument("words", nargs=-1, required=True, metavar="[STUDY] NUMBER|best")
@options.named
@options.storage
@click.option("--why", is_flag=True, help="Why the sampler chose it, and what its model expected.")
@click.option("--log", is_flag=True, help="What it printed.")
@options.as_json
@options.debug
def command(
    words: tuple[str, ...], option: str | None, storage: str | None, why: bool, log: bool, as_json: bool
) -> None:
    """Show one trial: its parameters, metrics, reports, and why it failed.

    \b
    kilter trial digits 31
    kilter trial best --log
    """
    from kilter.executors.output import whole_lines

    name, word = options.one_trial(words, option)
    study = options.look(name, storage)
    trial = options.picked(study, word)
    number = trial.number
    if why:
        show.echo(str(options.load(name, storage).explain(number)))
        return
    if log:
        printed = study.printed(number)
        for line in whole_lines(printed):
            show.echo(line)
        if not printed:
            show.note(
                "no output is kept of this trial here: it printed nothing, or the study keeps it in a folder that was "
                "given as checkpoints=: kilter.read_study(..., checkpoints=FOLDER).printed(N) reads it there"
            )
        return
    if as_json:
        show.echo_json(show.trial_json(trial, reports=True))
        return
    _show(study, trial)


def _show(study: StudyView, trial: FrozenTrial) -> None:
    attempt = f", attempt {trial.attempt}" if trial.attempt > 1 else ""
    lasted = show.span(show.seconds(trial))
    forked = f", from the checkpoint of trial {trial.parent}" if trial.parent is not None else ""
    show.echo(
        f"trial {trial.number}: {show.state(trial.state.name)}{attempt}{' in ' + lasted if lasted else ''}{forked}"
    )
    if trial.worker is not None:
        show.echo(f"worker: {show.text(trial.worker)}")
    if trial.note:
        show.echo(f"note: {show.text(trial.note)}")
    if trial.invalid is not None:
        show.echo(f"its result counts no more: {show.text(trial.invalid)}")
    for title, entries in (
        ("params", {name: show.option(value) for name, value in trial.plain_params.items()}),
        ("budget", trial.budget),
        ("metrics", trial.metrics),
        ("folds", trial.folds),
        ("attrs", trial.user_attrs),
    ):
        if entries:
            show.echo(f"\n{title}")
            show.echo_pairs({f"  {show.text(key)}": show.text(value) for key, value in entries.items()})
    if trial.artifacts:
        show.echo("\nartifacts (kilter fetch copies them)")
        show.echo_pairs({f"  {show.text(a.name)}": f"{a.size:,} bytes" for a in trial.artifacts})
    if trial.reports:
        _show_reports(study.problem.objective_names, trial.reports)
    ahead = study.forecast(trial) if trial.reports and not trial.state.is_finished() else None
    if ahead is not None:
        chance = "" if ahead.probability is None else f"; {ahead.probability:.0%} likely to be the best"
        span = f"{show.text(ahead.mean)}, 80 % from {show.text(ahead.low)} to {show.text(ahead.high)}"
        show.echo(f"\nforecast at step {ahead.horizon}: {span}{chance}")
    if trial.failure is not None:
        show.echo(f"\nfailure\n  {trial.failure.kind}: {trial.failure.message}")
        if trial.failure.traceback:
            show.echo("\n" + trial.failure.traceback.rstrip())


def _show_reports(objectives: Sequence[str], reports: Mapping[int, Mapping[str, float]]) -> None:
    told = dict.fromkeys(n for metrics in reports.values() for n, value in metrics.items() if value == value)
    names = list({**dict.fromkeys(objectives), **told})  # what other trials or folds report is NaN here
    shown = list(reports.items())[-20:]
    show.echo("\nreports" + (f", the last 20 of {len(reports)}" if len(reports) > 20 else ""))
    columns = [show.Column("step", [str(step) for step, _ in shown], 0, True)]
    columns += [
        show.Column(show.text(name), [show.text(metrics.get(name)) for _, metrics in shown], 1 + i, True)
        for i, name in enumerate(names)
    ]
    show.echo_table(columns, show.width())
