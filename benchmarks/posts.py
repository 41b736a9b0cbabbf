"""Invented posts as SQL on DuckDB: as many as asked for, with texts of the length of Reddit's, ids that rise with time.

For `volume.py` and `age.py`, which need millions; the sandbox Reddit has 1,000 of each subreddit.
"""

import random

import duckdb

from reddit_etl.entities import POSTS

FIRST_ID = int("1p000000", 36)
BEGIN = "TIMESTAMP '2020-01-01'"  # Hour 0.
LISTING = 1000  # Posts of a listing; a subreddit has a third of it new every hour.
NEW = LISTING // 3
_TEXTS = 4096


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory with the table `texts`, of 2,500 characters each, always the same."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET enable_progress_bar = false")
    give_texts(connection)
    return connection


def give_texts(connection: duckdb.DuckDBPyConnection) -> None:
    dice = random.Random(1)
    words = ["".join(dice.choices("etaoinshrdlucmfwypvbgkjqxz", k=dice.randrange(2, 10))) for _ in range(5000)]
    texts = [" ".join(dice.choices(words, k=450))[:2500] for _ in range(_TEXTS)]
    connection.execute(
        "CREATE TEMPORARY TABLE texts AS SELECT number, texts[number + 1] AS text "
        f"FROM (SELECT ? AS texts) CROSS JOIN range({_TEXTS}) AS numbers(number)",
        [texts],
    )


def posts_sql(numbers: str, subreddits: int, *, seen: str) -> str:
    """Selects the posts `n` of a relation with all columns of a record, and `post_type`, which is derived from them.

    Post `n` was created in the hour `n // (NEW * subreddits)` and observed in the hour that `seen` gives, an expression
    over `n`. Its scores follow from both.
    """
    path = "'/r/sub_' || (n % {0}) || '/comments/' || {1} || '/' || replace(text[1:40], ' ', '_') || '/'"
    post_id = f"lower(to_base({FIRST_ID} + n * 7, 36))"
    columns = {
        "post_id": post_id,
        "subreddit": f"'sub_' || (n % {subreddits})",
        "author": "'user_' || (hash(n) % 100000)",
        "title": "substr(text, 1 + (hash(n) % 100)::INT, 20 + (hash(n + 7) % 80)::INT)",
        # Many are short: of recorded posts, half have less than 100 characters, and the mean is 500.
        "selftext": "substr(text, 1, (pow(hash(n + 3) % 1000 / 1000, 4) * 2500)::INT)",
        "url": "'https://www.reddit.com' || " + path.format(subreddits, post_id),
        "domain": f"'self.sub_' || (n % {subreddits})",
        "permalink": path.format(subreddits, post_id),
        "post_type": "'self'",
        "created_at": f"{BEGIN} + to_microseconds(n * 3600000000 // {subreddits * NEW})",
        "score": f"(hash(n + {seen}) % 5000)::INTEGER",
        "upvote_ratio": f"hash(n + {seen}) % 100 / 100::DOUBLE",
        "num_comments": "(hash(n) % 300)::INTEGER",
        "is_self": "true",
        # A page of 100 posts is one observation.
        "observed_at": f"{BEGIN} + to_hours({seen} + 1) + to_milliseconds(n // 100 % 1000000)",
        "source": "'reddit'",
        "listing": f"'sub_' || (n % {subreddits}) || '-new-{LISTING}'",
        "place": f"(n % {LISTING})::INTEGER",
    }
    flags = [column.name for column in POSTS.columns if column.type.sql == "BOOLEAN" and column.name not in columns]
    columns |= dict.fromkeys(flags, "false")
    given = ", ".join(
        f"({columns.get(column.name, 'NULL')})::{column.type.sql} AS {column.name}"
        for column in POSTS.columns
        if column.name != "first_observed_at"
    )
    return f"SELECT n, {given} FROM {numbers} JOIN texts ON number = hash(n) % {_TEXTS}"
