"""A Reddit in which every text of every post and comment has a mark with its id, so that each byte can be found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reddit_etl.entities import COMMENTS, ENTITIES, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.sandbox.answers import Listing, Refusal, Tree

CREATED = datetime(2026, 11, 23, 3, tzinfo=UTC).timestamp()
# Their texts are ids or read by the pipeline.
PLAIN = ("id", "link_id", "parent_id", "crosspost_parent", "edited", "created_utc", "removed_by_category", "poll_data")


def mark(entity: Entity, id_: str) -> str:
    return f"mark-{entity.name}-{id_}-"


def marked(entity: Entity, id_: str, **fields: Any) -> dict[str, Any]:
    """A payload with a mark in each column of text, and in fields that no column is made of."""
    texts = {
        str(column.origin): f"{mark(entity, id_)}{column.name}"
        for column in entity.payload
        if column.type.max_bytes and column.origin not in PLAIN
    }
    others = {"name": f"{entity.kind}_{id_}", "media": {"title": f"{mark(entity, id_)}media"}}
    # Reddit's names of subreddits are no content of a post, and `u_` begins a profile.
    return texts | others | {"id": id_, "subreddit": "python", "created_utc": CREATED, "score": 1} | fields


@dataclass
class MarkedReddit:
    """Posts and comments of one subreddit, newest first; what is removed from the lists is no longer served."""

    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    comments: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_post(self, id_: str, **fields: Any) -> None:
        self.posts[id_] = marked(POSTS, id_, **fields)

    def add_comment(self, id_: str, post_id: str, **fields: Any) -> None:
        permalink = f"/r/python/comments/{post_id}/{mark(POSTS, post_id)}slug/{id_}/"
        known = {"link_id": f"t3_{post_id}", "parent_id": f"t3_{post_id}", "permalink": permalink}
        self.comments[id_] = marked(COMMENTS, id_, **known | fields)

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:  # noqa: ARG002
        entity, things = (COMMENTS, self.comments) if listing == "comments" else (POSTS, self.posts)
        ids = list(things)
        return Listing(ids, lambda index: things[ids[index]], entity.kind)

    def info(self, fullnames: list[str]) -> Iterable[dict[str, Any]]:
        known = {f"{entity.kind}_{id_}": one for entity, id_, one in self._all()}
        return [known[name] for name in fullnames if name in known]

    def tree(self, post_id: str, *, limit: int, subreddit: str | None, comment: str | None) -> Tree | Refusal:
        raise NotImplementedError

    def more(self, link: str, children: list[str], *, only_these: bool) -> Any:
        raise NotImplementedError

    def _all(self) -> Iterator[tuple[Entity, str, dict[str, Any]]]:
        for entity, things in zip(ENTITIES.values(), (self.posts, self.comments), strict=True):
            for id_, one in things.items():
                yield entity, id_, one
