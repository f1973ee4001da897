"""What a study is of, as its log remembers it: enough of an objective to tell another one from the same one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any

OBJECTIVE = "objective"
"""The name, among the pieces of code, of the objective's own, whatever it is called today."""


@dataclass(frozen=True)
class Definition:
    """An objective without what does not matter: comments, positions, annotations, docstrings.

    >>> old = Definition("train", "train.py", {"objective": "py:1", "load": "py:2"}, {"EPOCHS": "5"})
    >>> new = Definition("train", "train.py", {"objective": "py:1", "load": "py:3"}, {"EPOCHS": "10"})
    >>> old.differences(new)
    ['the code of load, which it uses, has changed', 'EPOCHS is 10 and was 5']
    """

    name: str
    """What it is called: a function's name, or a program's."""
    place: str = ""
    """The script or module that it is defined in; empty where there is none, as in a notebook."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Digests of its code and of what it uses of the same author's, each as "kind:digest"."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Defaults, closure values, constants and data that it reads, as text; of a program its command line."""

    def to_json(self) -> dict[str, Any]:
        """As the log keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Definition:
        """What `to_json` wrote."""
        return cls(data["name"], data["place"], dict(data["code"]), dict(data["values"]))

    def differences(self, new: Definition) -> list[str]:
        """What tells a new definition from this one, in words; nothing where they are of the same thing.

        Code that was read in two ways (from its source, from the bytecode of one Python) cannot be compared, and a
        place that is not known is any place.
        """
        found = []
        if self.place and new.place and self.place != new.place:
            found.append(f"it is {new.name} of {new.place} and was {self.name} of {self.place}")
        for name in sorted(self.code.keys() | new.code.keys(), key=lambda name: (name != OBJECTIVE, name)):
            if not _same_code(self.code.get(name), new.code.get(name)):
                which = new.name if name == OBJECTIVE else f"{name}, which it uses,"
                found.append(f"the code of {which} has changed")
        for name in sorted(self.values.keys() | new.values.keys()):
            was, now = self.values.get(name, "not there"), new.values.get(name, "not there")
            if was != now:
                found.append(f"{name} is {now} and was {was}")
        return found

    def unlike(self, new: Definition) -> list[str]:
        """The code that both have and that was read in two ways, so that nobody can tell whether it is the same."""
        both = sorted(self.code.keys() & new.code.keys())
        return [
            new.name if name == OBJECTIVE else name for name in both if _kinds_differ(self.code[name], new.code[name])
        ]

    def digest(self, *, code: bool) -> str:
        """Six characters that tell its values, and its code where that is asked for, from others."""
        told = [self.values, self.code if code else {}]
        return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=3).hexdigest()


def _same_code(was: str | None, now: str | None) -> bool:
    if was is None or now is None:
        return was is now
    return _kinds_differ(was, now) or was == now


def _kinds_differ(was: str, now: str) -> bool:
    return was.partition(":")[0] != now.partition(":")[0]
