"""What each task of the graph does: stores and sources in, a receipt out."""
