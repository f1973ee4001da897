"""kilter status."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("status")
@options.study
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Say where a study stands: trials by state, the best, what runs, the last activity.

    \b
    kilter status digits
    """
    from kilter.cli.facts import facts, why_no_best
    from kilter.core.text import one_line, shortened

    study = options.look(options.chosen(name, option), storage)
    known = facts(study)
    last = known.pop("last")
    if as_json:
        show.echo_json(known)
        return
    word = known["standing"]
    counts = [f"{count} {show.state(state)}" for state, count in known["states"].items() if count]
    pairs = {
        "study": show.text(known["study"]) + ("" if word in ("running", "idle") else f", {word}"),
        "objective": ", ".join(f"{way} {metric}" for metric, way in known["objectives"].items()),
    }
    if known["tags"]:
        pairs["tags"] = shortened(", ".join(map(show.text, known["tags"])))
    if known["note"]:
        pairs["note"] = one_line(known["note"])
    if known["constraints"]:
        pairs["subject to"] = ", ".join(known["constraints"])
    begun, goal = known["trials"] - known["states"]["WAITING"], known["goal"]
    total = f"{begun} of {goal}" if goal and begun <= goal else str(known["trials"])
    pairs["trials"] = total + (f": {', '.join(counts)}" if counts else "")
    if known["states"]["PAUSED"]:
        pairs["paused"] = "better trials went on; these wait"
    for fidelity in study.problem.fidelities[:1]:
        spent, full = sum(trial.budget.get(fidelity.name, 0) for trial in study.trials), begun * fidelity.high
        pairs["spent"] = f"{show.text(spent)} {fidelity.name}; full trials would take {show.text(full)}"
    best = known["best"]
    if len(best) == 1:
        values = " ".join(show.text(best[0]["metrics"][metric]) for metric in known["objectives"])
        pairs["best"] = f"{values} (trial {best[0]['number']})"
    else:
        pairs["best"] = f"a front of {len(best)} trials" if best else f"none yet: {show.text(why_no_best(study))}"
    pairs["last activity"] = show.ago(last, time.time()) or "none"
    show.echo_pairs(pairs)
    for failure in known["failures"].values():
        show.echo(f"failed ×{failure['count']:<6} {failure['message']}, trial {failure['trial']}")
    for sentence in known["never_succeeded"]:
        show.echo(f"               {sentence}")
    for trial in known["running"]:
        latest = trial["reports"][-1] if trial["reports"] else {}
        shown = " ".join(f"{name}={show.text(value)}" for name, value in latest.items())
        show.echo(f"running        trial {trial['number']}, attempt {trial['attempt']} {shown}".rstrip())
