"""What tombstones take from a row: one definition, as SQL over curated rows and as a function over raw records.

A tombstone names a post or a comment, a kind and a moment. The kind `account` takes the author's name; every other kind
takes the whole row.

- A row that is named by a tombstone of such a kind is dropped if it was observed up to that moment. A later one is
  dropped if it shows that the content is gone; one in which it is there is kept.
- The kind `account` clears the author's name in what was observed up to that moment. In a profile (`u_name`) the
  subreddit is a name too: there the row is dropped, and later ones as long as the account is missing in them. Below a
  post of a profile that was forgotten, for whatever reason, so are the comments, whenever they were observed: they show
  its author's name, and that post is not looked at any more.
- A column that shows content of another post is cleared if that post is taken, whenever the row was observed: Reddit
  keeps the title of a deleted post in the URLs of its comments. For the kind `account`, if a name may be in it.

The SQL runs on DuckDB, Spark and Redshift. It reads a row as `r`.
"""

from collections.abc import Callable, Iterable, Sequence

from reddit_etl.entities.schema import Column, Entity, Mark

ACCOUNT = "account"
# What other rows hold content of is always a post.
SHOWN = "posts"
# How a profile's name is part of a URL or a domain, in lower case.
NAMES = ("/u_", ".u_", "/user/")
PROFILE = "u_"

Row = dict[str, object]


def links(entity: Entity) -> dict[str, str]:
    """The columns with ids that tombstones may name, each with its entity: the key, and the posts that are shown."""
    shown = {post for column in entity.columns for post in (column.shows, column.profile_of) if post}
    return {entity.key: entity.name} | dict.fromkeys(sorted(shown - {entity.key}), SHOWN)


def summary_sql(tombstones: str) -> str:
    """One row per post or comment that the tombstones name, as the functions below expect it.

    `tombstones` is a relation with the columns `entity`, `id`, `kind` and `moment`. Of the result, `taken_at` is the
    last moment of the kinds that take the whole row, and `account_at` that of the kind `account`. `is_back` is 1 where
    it is known that the content came back later: rows that show that it is gone are then kept, to be noticed.
    """
    return f"""\
SELECT entity, id, MAX(CASE WHEN kind <> '{ACCOUNT}' THEN moment END) AS taken_at,
  MAX(CASE WHEN kind = '{ACCOUNT}' THEN moment END) AS account_at, 0 AS is_back
FROM {tombstones}
GROUP BY entity, id"""


def joins_sql(entity: Entity, summary: str) -> str:
    """Joins to each row `r` what names it and the posts that it shows. `summary` is a table or a query in brackets."""
    return "\n".join(
        f"LEFT JOIN {summary} AS of_{column} ON of_{column}.entity = '{name}' AND of_{column}.id = r.{column}"
        for column, name in links(entity).items()
    )


def dropped_sql(entity: Entity) -> str:
    """The condition by which a row is dropped; NULL or false: it is kept."""
    own = f"of_{entity.key}"
    until = f"{own}.taken_at >= r.observed_at"
    alternatives = [until]
    if entity.deleted or entity.removed:
        gone = f"({deleted_sql(entity, 'r')} OR {removed_sql(entity, 'r')})"
        alternatives.append(f"({own}.taken_at IS NOT NULL AND {own}.is_back = 0 AND {gone})")
    for column in entity.columns:
        if column.profile_of:
            missing = [f"{own}.account_at IS NOT NULL AND r.{c.name} IS NULL" for c in entity.columns if c.names_author]
            reasons = [f"{own}.account_at >= r.observed_at", *missing]
            if column.profile_of != entity.key:
                post = f"of_{column.profile_of}"
                reasons += [f"{post}.taken_at IS NOT NULL", f"{post}.account_at IS NOT NULL"]
            alternatives.append(f"({_is_profile(column)} AND ({' OR '.join(reasons)}))")
    return "\n  OR ".join(alternatives)


def cleared_sql(entity: Entity) -> dict[str, str]:
    """The columns that may be cleared in a row that is kept, each with the condition."""
    conditions = {}
    for column in entity.curated:
        if column.names_author:
            conditions[column.name] = f"of_{entity.key}.account_at >= r.observed_at"
        elif column.shows:
            named = " OR ".join(f"POSITION('{name}' IN LOWER(r.{column.name})) > 0" for name in NAMES)
            post = f"of_{column.shows}"
            conditions[column.name] = f"{post}.taken_at IS NOT NULL OR ({post}.account_at IS NOT NULL AND ({named}))"
    return conditions


def kept_sql(entity: Entity, *, rows: str, summary: str, columns: Sequence[str] = ()) -> str:
    """What the tombstones leave of a relation of curated rows. `summary` is a table or a query in brackets.

    `columns` are those of the relation, by default all curated ones of the entity.
    """
    cleared = cleared_sql(entity)
    values = ",\n  ".join(
        f"CASE WHEN {cleared[name]} THEN NULL ELSE r.{name} END AS {name}" if name in cleared else f"r.{name}"
        for name in columns or [column.name for column in entity.curated]
    )
    return f"""\
SELECT
  {values}
FROM {rows} AS r
{joins_sql(entity, summary)}
WHERE CASE WHEN {dropped_sql(entity)} THEN 0 ELSE 1 END = 1"""


def effects_sql(entity: Entity, *, rows: str, summary: str) -> str:
    """What becomes of those rows of a relation that are named, or that show a post that is.

    By key and time of observation: `taken_at` as in the summary, `is_dropped`, and for each column that may be cleared
    `clears_…`, 1 or 0. A condition may be added to the end.
    """
    clears = "".join(
        f",\n  CASE WHEN r.{name} IS NOT NULL AND ({condition}) THEN 1 ELSE 0 END AS clears_{name}"
        for name, condition in cleared_sql(entity).items()
    )
    return f"""\
SELECT r.{entity.key}, r.observed_at, of_{entity.key}.taken_at,
  CASE WHEN {dropped_sql(entity)} THEN 1 ELSE 0 END AS is_dropped{clears}
FROM {rows} AS r
{joins_sql(entity, summary)}
WHERE ({" OR ".join(f"of_{column}.id IS NOT NULL" for column in links(entity))})"""


def in_profile_sql(entity: Entity) -> str:
    """The condition that a row is in a profile; NULL or false: it is not."""
    return f"({' OR '.join([_is_profile(column) for column in entity.columns if column.profile_of] or ['1 = 0'])})"


def _is_profile(column: Column) -> str:
    return f"LOWER(SUBSTRING(r.{column.name}, 1, {len(PROFILE)})) = '{PROFILE}'"


def deleted_sql(entity: Entity, row: str) -> str:
    """The condition that a row shows that its author deleted the content; NULL or false: it does not."""
    return _any_sql(entity.deleted, row)


def removed_sql(entity: Entity, row: str) -> str:
    """The condition that a row shows that the content was removed, if it was not deleted."""
    return _any_sql(entity.removed, row)


def _any_sql(marks: Sequence[Mark], row: str) -> str:
    return f"({' OR '.join([_mark_sql(mark, f'{row}.{mark.column}') for mark in marks] or ['1 = 0'])})"


def _mark_sql(mark: Mark, column: str) -> str:
    if mark.value is None:
        return f"{column} IS NOT NULL"
    if mark.end:
        # No LIKE: drivers read its % as the place of a value.
        begins = f"LOWER(SUBSTRING({column}, 1, {len(mark.value)})) = '{mark.value}'"
        return f"({begins} AND RIGHT({column}, 1) = '{mark.end}')"
    return f"{column} = '{mark.value}'"


def kept(entity: Entity, tombstones: Iterable[tuple[str, ...]]) -> Callable[[Row], Row | None]:
    """The same over raw records: a function that gives what is left of a record, None if nothing is.

    A tombstone begins with its entity, id, kind and moment, the moment in the lake's format. A record from which
    nothing is taken is given as it is.
    """
    taken: dict[tuple[str, str], str] = {}
    accounts: dict[tuple[str, str], str] = {}
    for name, id_, kind, moment, *_ in tombstones:
        last = accounts if kind == ACCOUNT else taken
        last[name, id_] = max(moment, last.get((name, id_), ""))
    of = links(entity)

    def moments(row: Row, column: str) -> tuple[str | None, str | None]:
        name = (of[column], str(row.get(column)))
        return taken.get(name), accounts.get(name)

    def left(row: Row) -> Row | None:
        named = {column: found for column in of if (found := moments(row, column)) != (None, None)}
        if not named:
            return row
        if _is_dropped(entity, row, named):
            return None
        cleared = [column for column in _cleared(entity, row, named) if row.get(column) is not None]
        return row | dict.fromkeys(cleared) if cleared else row

    return left


Moments = dict[str, tuple[str | None, str | None]]
"""By column with an id that tombstones name: the last moment at which all was taken, and the account."""


def _is_dropped(entity: Entity, row: Row, named: Moments) -> bool:
    seen = str(row["observed_at"])
    taken_at, account_at = named.get(entity.key, (None, None))
    if taken_at is not None and (taken_at >= seen or _shows(entity.deleted, row) or _shows(entity.removed, row)):
        return True
    for column in entity.columns:
        if not column.profile_of or str(row.get(column.name))[: len(PROFILE)].lower() != PROFILE:
            continue
        is_missing = any(row.get(c.name) is None for c in entity.columns if c.names_author)
        if account_at is not None and (account_at >= seen or is_missing):
            return True
        post_at, post_account_at = named.get(column.profile_of, (None, None))
        if column.profile_of != entity.key and (post_at is not None or post_account_at is not None):
            return True
    return False


def _cleared(entity: Entity, row: Row, named: Moments) -> Iterable[str]:
    for column in entity.curated:
        if column.names_author:
            _, account_at = named.get(entity.key, (None, None))
            if (account_at or "") >= str(row["observed_at"]):
                yield column.name
        elif column.shows:
            taken_at, account_at = named.get(column.shows, (None, None))
            text = str(row.get(column.name)).lower()
            if taken_at is not None or (account_at is not None and any(name in text for name in NAMES)):
                yield column.name


def _shows(marks: Sequence[Mark], row: Row) -> bool:
    return any(row.get(mark.column) is not None and _is_mark(mark, str(row[mark.column])) for mark in marks)


def _is_mark(mark: Mark, text: str) -> bool:
    if mark.value is None:
        return True
    if mark.end:
        return text[: len(mark.value)].lower() == mark.value and text.endswith(mark.end)
    return text == mark.value
