"""Which posts and comments are due for another look, asked of the warehouse."""

from reddit_etl.entities.schema import Entity
from reddit_etl.warehouse.tables import SCHEMA

DIGITS = "0123456789abcdef"


def of_age(entity: Entity, condition: str = "") -> str:
    """Those of a window, with moment and subreddit; `condition` restricts them further.

    Binds the source, then the values of a `Window`.
    """
    return f"""\
SELECT {entity.key}, {entity.sort}, subreddit
FROM {SCHEMA}.{entity.name}
WHERE source = ?{f" AND {condition}" if condition else ""}
  AND {entity.sort} >= ? AND {entity.sort} <= ? AND ({entity.sort} > ? OR {entity.key} > ?)
  AND ({entity.sort} > ? OR (first_observed_at >= ? AND first_observed_at < ?))"""


def oldest(entity: Entity, statement: str, most: int) -> str:
    """So many rows of a query that gives moment and id."""
    return f"{statement}\nORDER BY {entity.sort}, {entity.key}\nLIMIT {most}"


def number(statement: str) -> str:
    """How many rows a query gives."""
    return f"SELECT COUNT(*)\nFROM (\n{statement}\n) AS due"


def in_turn(entity: Entity, *, turns: int, first: int, count: int, most: int) -> str:
    """Those whose turn it is, from the `first` turn on, with moment of creation and subreddit. Binds the source.

    Four digits of a hash of the id give its turn, from 0 to one less than `turns`, so all turns have about as many. If
    there are more than `most`, those that were observed last are left out.
    """
    digits = [f"(STRPOS('{DIGITS}', SUBSTRING(MD5({entity.key}), {place}, 1)) - 1)" for place in (1, 2, 3, 4)]
    number = f"4096 * {digits[0]} + 256 * {digits[1]} + 16 * {digits[2]} + {digits[3]}"
    return f"""\
SELECT {entity.key}, {entity.sort}, subreddit
FROM {SCHEMA}.{entity.name}
WHERE source = ? AND MOD({number} + {turns - first % turns}, {turns}) < {count}
ORDER BY observed_at, {entity.key}
LIMIT {most}"""


def by_id(entity: Entity, count: int) -> str:
    """So many of them by their ids, with moment of creation and subreddit. Binds the source, then the ids."""
    return f"""\
SELECT {entity.key}, {entity.sort}, subreddit
FROM {SCHEMA}.{entity.name}
WHERE source = ? AND {entity.key} IN ({marks(count)})"""


def most_recent(entity: Entity, count: int, most: int) -> str:
    """Of each of so many subreddits the `most` that were observed last with an author, newest first.

    With moment of creation and subreddit. An entity may have no author. Binds the source, then the subreddits.
    """
    authors = "".join(f" AND {column.name} IS NOT NULL" for column in entity.columns if column.names_author)
    return f"""\
SELECT {entity.key}, {entity.sort}, subreddit
FROM (
  SELECT {entity.key}, {entity.sort}, subreddit,
    ROW_NUMBER() OVER (PARTITION BY subreddit ORDER BY observed_at DESC, {entity.key}) AS place
  FROM {SCHEMA}.{entity.name}
  WHERE source = ?{authors} AND subreddit IN ({marks(count)})
) AS known
WHERE place <= {most}
ORDER BY subreddit, place"""


def subreddits(entity: Entity) -> str:
    """Those of which something is stored. Binds the source."""
    return f"SELECT DISTINCT subreddit\nFROM {SCHEMA}.{entity.name}\nWHERE source = ? AND subreddit IS NOT NULL"


def marks(count: int) -> str:
    """The places of so many bound values."""
    return ", ".join("?" * count)
