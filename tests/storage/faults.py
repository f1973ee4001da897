"""Faults at single statements: a connection whose k-th call fails, before or after it has done its work."""

from dataclasses import dataclass


@dataclass
class Faulty:
    """A connection to a database that raises `error` at its calls number `at` to `until`, counted from 1."""

    connection: object
    error: BaseException
    at: int
    until: int
    does: bool = False
    """Whether a call that fails has done its work."""
    calls: int = 0

    def execute(self, *arguments, **options):
        self.calls += 1
        if not self.at <= self.calls <= self.until:
            return self.connection.execute(*arguments, **options)
        if self.does:
            self.connection.execute(*arguments, **options)
        raise self.error

    def __getattr__(self, name):
        return getattr(self.connection, name)


FOR_GOOD = 10**9
