"""kilter diagnose."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("diagnose")
@options.study
@click.option("-n", "--n-trials", "--trials", "budget", type=int, help="How many trials it is to have in all.")
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, budget: int | None, as_json: bool) -> None:
    """Say what is wrong with a study, worth a look or good to know, and what to do about it.

    \b
    kilter diagnose digits

    "act" is wrong and can be mended, "look" may be, "note" is good to know.
    """
    from kilter.analysis.diagnostics import diagnose
    from kilter.analysis.plain import plain

    study = options.look(options.chosen(name, option), storage)
    findings = diagnose(study.history, time.time(), budget=budget, seed=study.seed, design=study.design)
    if as_json:
        show.echo_json({"study": study.study_name, "findings": plain(findings)})
        return
    show.echo_findings(findings)
    if not findings:
        show.note(f"nothing to say of {len(study.history)} trials")
