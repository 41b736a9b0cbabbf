"""The work of each task: takes stores and sources, returns a receipt."""
