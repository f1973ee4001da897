"""kilter mcp."""

from __future__ import annotations

import click

from kilter.cli import options


@click.command("mcp")
@options.storage
@click.option("--read-only", is_flag=True, help="No tool that changes a study.")
@options.debug
def command(storage: str | None, read_only: bool) -> None:
    """Serve the studies to an assistant over stdin and stdout, by the Model Context Protocol.

    \b
    kilter mcp --storage sqlite:///kilter.db --read-only

    Name this command and its options in the settings of the assistant, which starts it.
    """
    from kilter.integrations.mcp import server

    server(options.existing(storage), read_only=read_only).run("stdio")
