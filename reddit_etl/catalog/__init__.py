"""The Glue Data Catalog: what Athena sees of the lake."""
