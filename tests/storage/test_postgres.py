"""PostgreSQLStorage: conformance, what it costs, and what can go wrong with a server."""

import pytest

from kilter.storage.postgres import PostgreSQLStorage
from kilter.testing.storage import StorageSuite


class TestPostgreSQL(StorageSuite):
    @pytest.fixture
    def storage(self, postgresql_url):
        storage = PostgreSQLStorage(postgresql_url)
        yield storage
        storage.close()

    def reopen(self, storage):
        return PostgreSQLStorage(storage._address)
