"""The data lake: objects and receipts, in a folder or in an S3 bucket."""
