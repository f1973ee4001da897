"""Commands of kilter in messages, as whoever reads them types them into a shell."""

from __future__ import annotations

import os
import shlex

from kilter.core.text import masked

SQLITE = "sqlite:///"
DEFAULT = f"{SQLITE}kilter.db"
"""Where studies are that nobody said anything else of."""


def command(verb: str, study: str, url: str, *words: str) -> str:
    """What a verb does to a study, with its storage, unless that is the one which a shell takes by itself.

    Another storage may have a study of that name too. A secret that is masked is left out: who reads the command has it
    elsewhere, as in PGPASSWORD or KILTER_TOKEN, or puts it in.

    >>> command("rm", "digits", "sqlite:///kilter.db"), command("trial", "my digits", "sqlite:///else.db", "17")
    ('kilter rm digits', "kilter trial 'my digits' 17 --storage sqlite:///else.db")
    >>> command("top", "digits", "postgresql://ada:***@db/tuning")
    'kilter top digits --storage postgresql://ada@db/tuning'
    """
    given = os.environ.get("KILTER_STORAGE") or DEFAULT
    where = [] if _whole(url) == _whole(given) else ["--storage", url.replace(":***@", "@").replace("://@", "://")]
    return shlex.join(["kilter", verb, study, *words, *where])


def _whole(url: str) -> str:
    """The same for each way to write a URL or a path."""
    path = url[len(SQLITE) :] if url.startswith(SQLITE) else url
    return masked(path) if "://" in path else os.path.abspath(path)
