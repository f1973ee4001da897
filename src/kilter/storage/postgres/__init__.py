"""Studies in a PostgreSQL database, shared by any number of machines."""

from kilter.storage.postgres.storage import PostgreSQLStorage

__all__ = ["PostgreSQLStorage", "postgresql"]


def postgresql(url: str) -> PostgreSQLStorage:
    """The database of a URL as libpq reads it: `postgresql://user:password@host:5432/database`."""
    return PostgreSQLStorage(url)
