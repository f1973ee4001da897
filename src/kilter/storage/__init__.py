"""Where the log of a study is kept: in memory or in an SQLite file; `kilter.storage.urls` opens either by its URL."""
