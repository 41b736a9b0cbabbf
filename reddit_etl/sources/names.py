"""The names of extracts: what was read, from where, and how much of it was asked for."""

import re

REDDIT = "reddit"
# Of these only a user's profile may have a dash in its name.
EXTRACT = re.compile(r"((?P<source>[a-z]+)\.)?(?P<subreddit>[\w-]+)-(?P<listing>[a-z]+)-(?P<limit>\d+)", re.ASCII)


def extract_name(subreddit: str, listing: str, limit: int, source: str = REDDIT) -> str:
    """What is not from Reddit says so in front, so that neither is ever taken for the other."""
    name = f"{subreddit}-{listing}-{limit}"
    return name if source == REDDIT else f"{source}.{name}"


def extract_parts(name: str) -> tuple[str, str, int, str] | None:
    """Subreddit, listing, limit and source of a name; None if it is not an extract's."""
    found = EXTRACT.fullmatch(name)
    return found and (found["subreddit"], found["listing"], int(found["limit"]), found["source"] or REDDIT)
