"""Where the log of a study is kept: in memory or in an SQLite file; `kilter.plugins.open_storage` opens one by URL."""
