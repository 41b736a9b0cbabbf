"""Where observations come from: generators over Reddit's API."""
