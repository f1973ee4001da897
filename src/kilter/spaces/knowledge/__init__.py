"""What is known of the ready-made spaces: settings that did well on many tables, to be tried after the defaults.

Each space has a file of its own here, which is read when a study of the space is made. It says where its settings are
from; benchmarks/knowledge measures the tables and learns the lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kilter.core.earlier import EarlierStudy
from kilter.core.parameter import Parameter, Plain
from kilter.core.space import Space

LISTED = 4
"""Settings of one space: with the defaults they are the first five trials."""
WEIGHT = 0.5
"""What is known of other people's tables counts half as much as a study of one's own."""


class KnownSpace(dict[str, Parameter]):
    """A ready-made space, which remembers of which knowledge it is; as a plain dict it is a space without.

    `known` has the name of each space that is in it, by the prefix that its parameters have.
    """

    def __init__(self, space: Mapping[str, Parameter], known: Mapping[str, str]) -> None:
        super().__init__(space)
        self.known = dict(known)

    @classmethod
    def of(cls, space: Mapping[str, Parameter], name: str, knowledge: bool) -> KnownSpace:
        """A whole space under the name of what is known of it; without `knowledge` it remembers none."""
        return cls(space, {"": name} if knowledge else {})


def knowledge_of(space: Space) -> tuple[EarlierStudy, ...]:
    """What to try first in a space, as an earlier study without values; nothing where nothing is known of it.

    >>> from kilter.spaces import svm
    >>> space = svm()
    >>> [study.name for study in knowledge_of(Space(space, known=known_of(space)))]
    ['knowledge of svm']
    """
    known = {prefix: name for prefix, name in space.known.items() if _file(name).is_file()}
    if not known:
        return ()
    lists = [_listed(name, prefix) for prefix, name in known.items()]
    rows = tuple({name: value for part in row for name, value in part.items()} for row in zip(*lists))
    return (EarlierStudy(f"knowledge of {', '.join(known.values())}", rows, weight=WEIGHT),)


def known_of(space: Mapping[str, Parameter]) -> dict[str, str]:
    """Which knowledge a space remembers, by prefix."""
    return dict(space.known) if isinstance(space, KnownSpace) else {}


def provenance(name: str) -> dict[str, Any]:
    """Where the knowledge of a space is from: source, licence, tables, trials, versions, date and checksum.

    >>> provenance("svm")["licence"]
    'that of this project: no table of others is in it'
    """
    found: dict[str, Any] = _read(name)["provenance"]
    return found


def _listed(name: str, prefix: str) -> list[dict[str, Plain]]:
    return [{prefix + key: value for key, value in config.items()} for config in _read(name)["configs"]]


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_file(name).read_text(encoding="utf-8"))
    return found


def _file(name: str) -> Path:
    return Path(__file__).parent / f"{name}.json"
