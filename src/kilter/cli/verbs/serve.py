"""kilter serve."""

from __future__ import annotations

import secrets

import click

from kilter.cli import options, show
from kilter.cli.verbs.dashboard import shown_until_interrupted


@click.command("serve")
@click.argument("what", metavar="[STORAGE]", required=False)
@options.storage
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen; 0.0.0.0 for the network.")
@click.option("--port", type=click.IntRange(0, 65_535), help="8517, or the next free one; 0 for any.")
@click.option("--token", envvar="KILTER_TOKEN", metavar="TEXT", help="What workers need; a fresh one by default.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that a proxy in front is asked by.")
@options.debug
def command(
    what: str | None, storage: str | None, host: str, port: int | None, token: str | None, hosts: tuple[str, ...]
) -> None:
    """Serve studies to workers that do not reach their storage, and to programs in any language.

    \b
    kilter serve sqlite:///studies.db --host 0.0.0.0
    kilter worker digits --storage http://node1:8517        (with KILTER_TOKEN)

    To those who have the token, http://… is a storage like any other. Programs that are not in Python ask for trials
    and tell results in JSON: docs/how-to/serve.md. The dashboard is there as well.
    """
    from kilter.dashboard.serving import PORT, served
    from kilter.plugins import open_storage

    opened = open_storage(options.one_storage(what, storage) or options.DEFAULT_STORAGE)
    known = token or secrets.token_urlsafe(32)
    serving = served(opened, host=host, port=PORT if port is None else port, token=known, hosts=hosts, workers=True)
    if port not in (None, 0, serving.port):
        serving.close()
        raise click.UsageError(f"port {port} is busy: end what listens there, or choose another one")
    show.note(f"workers: --storage {serving.address}" + ("" if token else f" with KILTER_TOKEN={known}"))
    if not token:
        show.note("started again it has another token, unless KILTER_TOKEN or --token gives it this one")
    shown_until_interrupted(serving, host)
