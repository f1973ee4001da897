"""kilter doctor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import group, options, show

if TYPE_CHECKING:
    from kilter.api.doctor import Checkup


@click.command("doctor")
@click.argument("url", metavar="[STORAGE]", required=False)
@click.option(
    "-s", "--study", "name", metavar="NAME", help="Look after this study alone.", shell_complete=options.names
)
@options.storage
@options.as_json
@options.debug
def command(url: str | None, name: str | None, storage: str | None, as_json: bool) -> int:
    """Say what is wrong with a storage, this machine, and those who work on its studies, and what to do.

    \b
    kilter doctor
    kilter doctor postgresql://db/studies

    It looks at versions, how long reads and writes take, free disk, GPUs, clocks that disagree, leases of workers that
    are gone, and trials that run nowhere or say nothing. Exits with 5 where something calls for action.
    """
    from kilter.analysis.finding import ACT
    from kilter.analysis.plain import plain
    from kilter.api.doctor import examine

    found = examine(storage=options.existing(options.one_storage(url, storage)), study_name=name)
    if as_json:
        show.echo_json(plain(found))
    else:
        show.echo_pairs(_pairs(found))
        show.echo_findings(found.findings)
        if not found.findings:
            show.echo("nothing is wrong")
    return group.STORAGE if any(finding.severity == ACT for finding in found.findings) else 0


def _pairs(found: Checkup) -> dict[str, str]:
    """What a person reads first."""
    here, kept = found.machine, found.storage
    told = ("library", "server", "format")
    known = [str(kept[key]) if key != "format" else f"format {kept[key]}" for key in told if key in kept]
    size = [f"{_bytes(kept['bytes'])} in all"] if "bytes" in kept else []
    pairs = {
        "kilter": f"{here['kilter']} on Python {here['python']}, {here['system']}, {here['cores']} cores",
        "storage": ", ".join([show.text(kept["url"]), *known, *size]),
        "latency": ", ".join(_times(kept)),
        "disk": _disk(kept, here),
        "GPUs": ", ".join(here["gpus"]) or "none in sight",
        "libraries": ", ".join(f"{library} {version}" for library, version in here["libraries"].items()),
    }
    if "clock_ahead" in kept:
        pairs["clock"] = f"{-kept['clock_ahead']:+.3f} s against the storage's"
    pairs["studies"] = show.text(", ".join(map(_study, found.studies))) or "none yet"
    return {key: value for key, value in pairs.items() if value}


def _disk(kept: dict[str, Any], here: dict[str, Any]) -> str:
    if "free_bytes" in kept:
        return f"{_bytes(kept['free_bytes'])} free"
    return f"{_bytes(here['temporary']['free_bytes'])} free on this machine; that of the storage was not looked at"


def _times(kept: dict[str, Any]) -> Iterable[str]:
    for word in ("read", "write"):
        seconds = kept.get(f"{word}_seconds")
        if seconds is not None:
            yield f"a {word} takes {1e3 * seconds:.3g} ms"


def _study(study: dict[str, Any]) -> str:
    at_work = sum(worker["alive"] for worker in study["workers"])
    workers = f", {at_work} at work" if at_work else ""
    return f"{study['name']} ({study['standing']}{workers})"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
