"""From records to Parquet: one SQL text, run by DuckDB or by AWS Glue."""
