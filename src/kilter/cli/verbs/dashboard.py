"""kilter dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    from kilter.dashboard.serving import Serving


@click.command("dashboard")
@click.argument("what", metavar="[STORAGE|STUDY]", required=False, shell_complete=options.names)
@options.storage
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen; 0.0.0.0 for the network.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The first to try; 8517 by default, 0 for any.")
@click.option("--read-only", is_flag=True, help="Nothing can be changed from there.")
@click.option("--token", envvar="KILTER_TOKEN", metavar="TEXT", help="Who asks needs it; elsewhere there is one.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that a proxy in front is asked by.")
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@options.debug
def command(
    what: str | None,
    storage: str | None,
    host: str,
    port: int | None,
    read_only: bool,
    token: str | None,
    hosts: tuple[str, ...],
    opens: bool,
) -> None:
    """Look at the studies of a storage in a browser, and steer them.

    \b
    kilter dashboard
    kilter dashboard digits --open
    kilter dashboard sqlite:///studies.db --read-only

    On this machine's own address nobody else gets there. On any other one the address that is printed works once, and
    leaves a cookie in its place; scripts send the token as "Authorization: Bearer …".
    """
    from kilter.dashboard.serving import PORT, served
    from kilter.runtime.log import id_of

    url, study = _meant(what, storage)
    opened = options.existing(url)
    page = "" if study is None else f"#/{id_of(opened, study)}"
    settings = {"host": host, "read_only": read_only, "token": token, "hosts": hosts, "page": page}
    serving = served(opened, port=PORT if port is None else port, **settings)  # type: ignore[arg-type]
    if port not in (None, 0, serving.port):
        show.note(f"port {port} is busy: this is {serving.port}")
    if opens:
        click.launch(serving.url)
    shown_until_interrupted(serving, host)


def shown_until_interrupted(serving: Serving, host: str) -> None:
    """Say where it is, and serve."""
    from kilter.dashboard.serving import is_loopback

    if not is_loopback(host):
        show.note("what goes over the network is not encrypted; put it behind a proxy with TLS where that matters")
    show.echo(serving.url)
    show.note("Ctrl-C ends it")
    try:
        serving.run()
    except KeyboardInterrupt:
        pass
    finally:
        serving.close()


def _meant(what: str | None, storage: str | None) -> tuple[str | None, str | None]:
    """The storage and the study that a word stands for."""
    from kilter.storage.urls import ENDINGS

    if what is None:
        return storage, None
    is_storage = "://" in what or what.endswith(ENDINGS)
    return (options.one_storage(what, storage), None) if is_storage else (storage, what)
