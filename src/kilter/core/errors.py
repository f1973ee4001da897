"""Every error that kilter raises on purpose.

KilterError
├── InvalidInput (also ValueError)   a parameter, space, problem, limit or reported number that cannot be
│   ├── UnusableResult               what an objective returned does not fit the problem
│   │   └── NotANumber               a metric came back as NaN
│   ├── StudyChanged                 the study is of another objective, space or metric than the one at hand
│   │   └── SpaceChanged             its space contradicts the one at hand
│   ├── IncapableSampler             the sampler cannot do what the problem needs
│   └── IncapableScheduler           nor the scheduler
├── UnknownName (also ValueError, KeyError)   a name that nobody registered, with the nearest known one
│   ├── UnknownArgument (also TypeError)   a function, verb or file has no argument of that name, but perhaps another
│   ├── StudyNotFound                no such study in this storage
│   └── TrialNotFound                no such trial in this study
├── StudyExists (also ValueError)    create_study without load_if_exists
├── NotReady (also ValueError)       a question that needs at least one finished trial, or a running one
├── NotHere (also AttributeError)   a name of Optuna's that kilter does not have, with what does it here
├── NotHereImport (also ImportError)   the same, in `from kilter.… import name`
├── MissingLibrary (also ImportError)   an optional library is not installed, with the command that installs it
├── PluginFailed                     a sampler or scheduler raised, or suggested what is not in the space
├── ClusterUnreachable               the cluster that trials are to run on opens no slot for them
├── StudyAborted                     so many trials in a row failed in the same way, or none of a run succeeded
└── StorageError                     the storage cannot be read or written
    ├── LogDamaged                   an event of a study's log cannot be taken in, with its place and the remedy
    ├── StorageDamaged               the file itself is torn or garbled; kilter check saves what is whole
    ├── StorageGone                  the file was moved, deleted or replaced while it was open
    ├── StorageTooNew                written by a later kilter
    ├── StorageUnreachable           its server could not be reached, for longer than there is patience
    └── StorageUnsafe                the folder cannot lock files as SQLite needs it

TrialPruned is not an error: an objective raises it to end a trial early.

Each message says what is wrong, which value, where, and what to do about it.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kilter.core.text import one_line, printable, shortened

LONGEST = 2_000
"""Characters of a message; more is no sentence but data."""

NAME = 50
"""Characters that a message shows of each name."""


class KilterError(Exception):
    """Root of all errors that kilter raises on purpose."""

    def __str__(self) -> str:
        # KeyError, a parent of UnknownName, would print the repr of the message. Messages quote names and other
        # people's errors, which may hold what a terminal obeys.
        return shortened(printable(str(self.args[0])), LONGEST) if self.args else ""


class InvalidInput(KilterError, ValueError):
    """A parameter, space, problem, limit or number that cannot be."""


class UnusableResult(InvalidInput):
    """What an objective returned does not fit the problem."""


class NotANumber(UnusableResult):
    """A metric came back as NaN."""


class StudyChanged(InvalidInput):
    """The study is of another objective, space or metric than the one at hand, so its results are no answer."""


class SpaceChanged(StudyChanged):
    """The study was made with a space that the new one contradicts."""


class IncapableSampler(InvalidInput):
    """The sampler cannot do what the problem needs."""


class IncapableScheduler(InvalidInput):
    """The scheduler cannot do what the problem needs."""


class UnknownName(KilterError, ValueError, KeyError):
    """A name that nobody registered; the message holds the nearest known one and the list.

    >>> raise UnknownName.of("sampler", "randm", ["random", "grid"])
    Traceback (most recent call last):
    kilter.core.errors.UnknownName: no sampler 'randm': did you mean 'random'? Known: grid, random
    """

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str], hint: str = "") -> UnknownName:
        """The error for `name`, which is not among the `known` names of that `kind`."""
        names = sorted(one_line(each, NAME) for each in known)
        asked = name if not isinstance(name, str) else shortened(name, NAME)
        near = difflib.get_close_matches(str(asked), names, n=1)
        question = f": did you mean {near[0]!r}?" if near else "."
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        listing = f" Known: {shown}" if names else ""
        more = f" {hint}" if hint.startswith("(") else f". {hint}" if hint else ""
        return cls(f"no {kind} {asked!r}{question}{listing}{more}")


class UnknownArgument(UnknownName, TypeError):
    """A function, verb or file has no argument of that name."""


class StudyNotFound(UnknownName):
    """No such study in this storage."""


class TrialNotFound(UnknownName):
    """No such trial in this study."""


class StudyExists(KilterError, ValueError):
    """create_study met a study of that name and load_if_exists was not set."""

    @classmethod
    def of(cls, name: str, where: str = "") -> StudyExists:
        """The error for a name that a study has already, in the storage at a path or a URL without secrets."""
        place = f" in {where}" if where else ""
        advice = "choose another name, or pass load_if_exists=True to go on with it"
        return cls(f"the study {name!r} exists{place}: {advice}")


class NotReady(KilterError, ValueError):
    """A question that needs at least one finished trial, or a running one."""


class NotHere(KilterError, AttributeError):
    """A name of Optuna's that kilter does not have; the message says what does it here."""


class NotHereImport(KilterError, ImportError):
    """A name of Optuna's that cannot be imported, as kilter does not have it; the message says what does it here."""


class MissingLibrary(KilterError, ImportError):
    """An optional library is not installed; the message is the command that installs it."""


@contextmanager
def needed(packages: str, what: str, instead: str = "") -> Iterator[None]:
    """Wraps the import of an optional library: where that is not installed it raises MissingLibrary, in one line.

    `packages` are what pip is to install. A library that is there but does not import raises what it raises.

    >>> with needed("pyarrow", "Parquet", "or use --format csv"):
    ...     import not_installed
    Traceback (most recent call last):
    kilter.core.errors.MissingLibrary: Parquet needs not_installed: pip install pyarrow, or use --format csv
    """
    try:
        yield
    except ModuleNotFoundError as error:
        hint = f", {instead}" if instead else ""
        raise MissingLibrary(f"{what} needs {error.name}: pip install {packages}{hint}") from None


class StudyAborted(KilterError):
    """So many trials in a row failed in the same way that more of them would too, or none of a run succeeded."""


class PluginFailed(KilterError):
    """A sampler or scheduler raised, which is its cause, or suggested what is not in the space."""

    @classmethod
    def of(cls, kind: str, plugin: object, method: str, why: str) -> PluginFailed:
        """The error for a plug-in of that kind, by its class and its method."""
        name = type(getattr(plugin, "own", plugin)).__name__  # a guest's adaptor is not its name
        return cls(
            f"the {kind} {name} failed in {method}(): {shortened(one_line(why), LONGEST // 2)}. Mend it and load the "
            f"study again, or go on with another one: load_study(…, {kind}='auto')"
        )


class ClusterUnreachable(KilterError):
    """The cluster that trials are to run on opens no slot for them."""


class StorageError(KilterError):
    """The storage cannot be read or written."""


class LogDamaged(StorageError):
    """An event of a study's log cannot be taken in, so nothing after it can; the message says where and what to do."""

    @classmethod
    def at(cls, position: int, kind: str, number: object, why: str) -> LogDamaged:
        """The error for the event at this position, of a trial or, with the number None, of the study."""
        of = "the study" if number is None else f"trial {number}"
        return cls(f"the log cannot be read on at position {position} ({of}, {kind}): {one_line(why)}")

    def of(self, study: str, url: str) -> LogDamaged:
        """The same with the name of the study, and with what to do about it."""
        message = str(self)
        if not message.startswith("the log cannot"):  # it has them already
            return self
        remedy = f"`kilter check {shlex.quote(study)} --storage {shlex.quote(url)} --repair` saves all that is whole"
        return LogDamaged(f"the log of {study!r}{message[len('the log') :]}. {remedy}")


class StorageDamaged(StorageError):
    """The file itself is torn or garbled, so that not all of it can be read; kilter check saves what is whole."""


class StorageGone(StorageError):
    """The file was moved, deleted or replaced while it was open: what is written now would be lost."""


class StorageUnreachable(StorageError):
    """The storage could not be reached, for longer than there is patience; what was written before is there."""


class StorageTooNew(StorageError):
    """The file was written by a later version of kilter."""


class StorageUnsafe(StorageError):
    """The folder cannot lock files in the way that SQLite needs."""


class TrialPruned(Exception):
    """Raised inside an objective to end its trial early; what it reported last becomes its value."""
