"""What a route is: where, what it takes, who answers. Requests are read by it, and OpenAPI is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from kilter.analysis.design import Design, design_of
from kilter.core.border import LONGEST_NAME
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.history import History
from kilter.core.text import shown
from kilter.dashboard.reading import Reading, Study
from kilter.dashboard.work import Work

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

Result = TypeVar("Result")

LONGEST = 500
"""Characters of a text in an address, and numbers in a list."""


@dataclass(frozen=True)
class Query:
    """One thing that an address may say after its question mark: a whole number, several, a text, or a name."""

    name: str
    says: str
    kind: str = "text"
    default: Any = None
    one_of: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        """What is meant by a text; raises InvalidInput."""
        try:
            if self.kind == "integer":
                return _whole(text)
            if self.kind == "integers":
                numbers = [_whole(item) for item in text.split(",") if item]
                if len(numbers) <= LONGEST:
                    return tuple(numbers)
        except ValueError:
            pass
        if self.kind == "name" and _is_name(text):
            return text
        if self.kind == "text" and len(text) <= LONGEST and (not self.one_of or text in self.one_of):
            return text
        here = {"text": "a shorter text", "integers": "whole numbers, as in 1,2,3"}
        wanted = f"one of {', '.join(self.one_of)}" if self.one_of else here.get(self.kind, KINDS[self.kind][0])
        raise InvalidInput(f"{self.name}={shown(text)}: give {wanted}")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError(text)
    return int(text)


@dataclass(frozen=True)
class Field:
    """One thing that the body of a change may say."""

    name: str
    says: str
    kind: str
    """One of KINDS."""
    needed: bool = False

    def takes(self, value: Any) -> bool:
        """Whether this is a value of its kind."""
        return KINDS[self.kind][1](value)

    @property
    def kind_in_words(self) -> str:
        """What is to be given."""
        return KINDS[self.kind][0]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "integer": ("a whole number from 0 on", _is_whole),
    "integers": ("whole numbers", lambda v: isinstance(v, list) and len(v) <= LONGEST and all(map(_is_whole, v))),
    "number": ("a number that a float can hold", _is_number),
    "boolean": ("true or false", lambda v: isinstance(v, bool)),
    "text": ("a text", lambda v: isinstance(v, str)),
    "name": (f"a text of 1 to {LONGEST_NAME:,} characters that can be printed", _is_name),
    "texts": ("texts", lambda v: isinstance(v, list) and len(v) <= LONGEST and all(isinstance(t, str) for t in v)),
    "object": ("an object", lambda v: isinstance(v, dict)),
    "values": ("a number, a list of numbers, or an object of metrics", lambda v: not isinstance(v, bool)),
    "row": ("an event as kind, number, attempt, time and body", lambda v: isinstance(v, list)),
    "rows": ("events, each as a list", lambda v: isinstance(v, list) and all(isinstance(row, list) for row in v)),
}
"""What bodies hold: in words, and how it is told."""


@dataclass(frozen=True)
class Ask:
    """One request, read."""

    reading: Reading
    now: float
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    read_only: bool = False
    working: Work | None = None
    """What is known of workers, where there are routes for them."""

    @property
    def work(self) -> Work:
        """What is known of workers, for a route that is there for them."""
        assert self.working is not None
        return self.working

    def once(self, act: Callable[[], Result]) -> Result:
        """What comes of a change that has a token, and may have come before."""
        return self.work.once(self.body["token"], act)

    @cached_property
    def study(self) -> Study:
        """The study that it is about, read up to now; raises StudyNotFound."""
        return self.reading.study(self.path["id"])

    @cached_property
    def studies(self) -> list[Study]:
        """All studies that it is about."""
        return [self.study] if "id" in self.path else [self.reading.study(i) for i in self.query["studies"]]

    @cached_property
    def history(self) -> History:
        """Its trials at rest."""
        return self.study.at_rest()

    @property
    def design(self) -> Design | None:
        """What the study's evaluation is made of."""
        return design_of(self.history, self.study.log.replica.attrs)

    @property
    def number(self) -> int:
        """The trial that it is about."""
        number: int = self.path["number"]
        return number


@dataclass(frozen=True)
class Content:
    """An answer that is no JSON; with a `filename` it is to be saved, not shown."""

    body: bytes
    media: str
    filename: str | None = None


@dataclass(frozen=True)
class Route:
    """One address below api/v1. `answer` is called in a thread; what it returns becomes JSON, but for a Content."""

    path: str
    says: str
    answer: Callable[[Ask], Any]
    query: tuple[Query, ...] = ()
    method: str = "GET"
    media: str = "application/json"
    body: tuple[Field, ...] = ()
    """What the body of a change has."""
    takes_time: bool = False
    """Whether it is computed apart, one at a time, and remembered for its revision."""
    ages: bool = False
    """Whether it depends on the clock, too, while trials run."""
    is_for_workers: bool = False
    """Whether it is there for workers, of whom many ask at once."""

    def __call__(self, ask: Ask) -> Any:
        """The answer; raises InvalidInput or UnknownName where the body does not say what a change takes."""
        self._check(ask.body)
        return self.answer(ask)

    def _check(self, said: Mapping[str, Any]) -> None:
        known = {field.name: field for field in self.body}
        for name, value in said.items():
            if name not in known:
                raise UnknownName.of("field", name, known)
            if value is not None and not known[name].takes(value):
                raise InvalidInput(f"{name}={shown(value)}: give {known[name].kind_in_words}")
        for name, wanted in known.items():
            if wanted.needed and said.get(name) is None:
                raise InvalidInput(f"{name!r} is missing: {wanted.says}")

    def read(self, given: QueryParams) -> dict[str, Any]:
        """What an address says after its question mark; raises UnknownName or InvalidInput."""
        known = {query.name: query for query in self.query}
        for name in given:
            if name not in known:
                raise UnknownName.of("parameter", name, known)
        said = {name: query.read(given[name]) for name, query in known.items() if name in given}
        return {**self.defaults, **said}

    @property
    def defaults(self) -> dict[str, Any]:
        """What is meant where an address says nothing."""
        return {query.name: query.default for query in self.query}
