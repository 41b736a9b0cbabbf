"""The Glue Data Catalog, through which Athena reads the lake."""
