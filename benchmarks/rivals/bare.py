"""The bare loop: the least that does the same I/O, `python -m benchmarks.rivals.bare SUBREDDIT …`.

Pages by prawcore, decoded by msgspec into the fields that are stored; for each listing an object of JSON lines,
compressed by ISA-L, and a row group of one Parquet object; then the upsert. No receipts, no retries beyond prawcore's,
no rejects, no duplicates removed.
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import prawcore
from isal import igzip


class WithoutPandas:
    """Where pandas is installed, pyarrow imports it: 60 MB and half a second that this loop has no use for."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ImportError


sys.meta_path.insert(0, WithoutPandas)  # type: ignore[arg-type]

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from benchmarks.rivals.posts import COLUMNS, FIELDS, LISTING, PAGE, USER_AGENT, cut, load, settings  # noqa: E402

_JSON: dict[str, Any] = {"TIMESTAMP": float | None, "INTEGER": int | None, "DOUBLE PRECISION": float | None}
_JSON |= {"BOOLEAN": bool | None}
# False if never.
EDITED = {"edited": float | bool | None}
Post = msgspec.defstruct(
    "Post",
    [("id", str), *((name, EDITED.get(name, _JSON.get(kind, str | None)), None) for _, name, kind in COLUMNS[1:])],
    gc=False,
)
_ARROW = {"TIMESTAMP": pa.timestamp("us", tz="UTC"), "INTEGER": pa.int32(), "DOUBLE PRECISION": pa.float64()}
_ARROW |= {"BOOLEAN": pa.bool_()}
SCHEMA = pa.schema([(column, _ARROW.get(kind, pa.string())) for column, _, kind in COLUMNS])


class Child(msgspec.Struct):
    data: Post  # type: ignore[valid-type]


class Listing(msgspec.Struct):
    children: list[Child]
    after: str | None = None


class Page(msgspec.Struct):
    data: Listing


decode = msgspec.json.Decoder(Page).decode


class Requestor(prawcore.Requestor):
    """Answers to listings are decoded by msgspec."""

    def request(self, *args: Any, **options: Any) -> Any:
        answer = super().request(*args, **options)
        if "/r/" in str(args):
            answer.json = partial(decode, answer.content)  # type: ignore[method-assign]
        return answer


def listing(session: Any, subreddit: str) -> Iterator[Any]:
    after, seen = None, 0
    while seen < LISTING:
        params = {"limit": PAGE, "after": after}
        page = session.request(method="GET", path=f"r/{subreddit}/new", params=params).data
        now = datetime.now(UTC).timestamp()
        for child in page.children:
            child.data.observed_at = now
            child.data.edited = child.data.edited or None
            child.data.selftext = cut(child.data.selftext)
            yield child.data
        seen += len(page.children)
        after = page.after
        if not after:
            return


def columns(posts: list[Any]) -> pa.Table:
    arrays = []
    for name, field in zip(FIELDS, SCHEMA, strict=True):
        values = [getattr(post, name) for post in posts]
        if pa.types.is_timestamp(field.type):
            values = [None if value is None else int(value * 1e6) for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def main(subreddits: list[str]) -> int:
    url, store, warehouse = settings()
    requestor = Requestor(user_agent=USER_AGENT, oauth_url=url, reddit_url=url)
    login = prawcore.TrustedAuthenticator(requestor=requestor, client_id="any", client_secret="any")
    authorizer = prawcore.ReadOnlyAuthorizer(authenticator=login)
    authorizer.refresh()
    session = prawcore.session(authorizer=authorizer)
    encoder, parquet, rows = msgspec.json.Encoder(), io.BytesIO(), 0
    with pq.ParquetWriter(parquet, SCHEMA, compression="zstd") as writer:
        for subreddit in subreddits:
            posts = list(listing(session, subreddit))
            store.put(f"raw/{subreddit}.jsonl.gz", igzip.compress(encoder.encode_lines(posts), compresslevel=1))
            writer.write_table(columns(posts))
            rows += len(posts)
    load(store, warehouse, parquet.getvalue())
    return rows


if __name__ == "__main__":
    print(main(sys.argv[1:]))
