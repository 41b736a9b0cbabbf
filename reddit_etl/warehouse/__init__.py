"""The warehouse: a DuckDB file or Amazon Redshift, and the one upsert that both run."""
