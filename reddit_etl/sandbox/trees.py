"""Comment trees as Reddit cuts them: the best comments whole, the others as ids in `more` stubs."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count

from reddit_etl.sandbox.answers import Thing, page, thing
from reddit_etl.sandbox.comments import Thread, thread
from reddit_etl.sandbox.posts import Subreddit

DEPTH = 10  # Levels of comments in one answer.
ROOT = -1  # The post, as the parent of comments.
BITS = 20  # Enough for the number of a comment.
MASK = (1 << BITS) - 1


class Shape:
    """Who replies to whom among the comments of a thread. Takes 16 bytes a comment."""

    def __init__(self, of: Thread) -> None:
        """Linear in the number of comments: about 0.2 s for 50,000."""
        self._arrivals = arrivals = of.arrivals
        count = of.count
        self._parents = array("i", map(arrivals.parent, range(count)))
        self._sizes = array("I", [1]) * count
        for comment in range(count - 1, -1, -1):
            if (parent := self._parents[comment]) != ROOT:
                self._sizes[parent] += self._sizes[comment]
        keys = [
            (parent + 1) << 2 * BITS | (MASK - self._sizes[comment]) << BITS | comment
            for comment, parent in enumerate(self._parents)
        ]
        keys.sort()
        self._replies = array("I", (key & MASK for key in keys))
        # The replies to a comment stand at self._ends[comment] up to self._ends[comment + 1].
        self._ends = array("I", bytes(4 * (count + 2)))
        for parent in self._parents:
            self._ends[parent + 2] += 1
        for parent in range(1, count + 2):
            self._ends[parent] += self._ends[parent - 1]

    def parent(self, comment: int) -> int:
        """The number of the comment that it replies to, or ROOT."""
        return self._parents[comment]

    def replies(self, parent: int) -> Sequence[int]:
        """The replies to a comment or to the post, those with the most comments below them first."""
        return self._replies[self._ends[parent + 1] : self._ends[parent + 2]]

    def drop(self, comment: int) -> int:
        """How far the best reply ranks behind the comment: often a little, at times too far for one answer."""
        return (self._arrivals.dice(comment) >> 40 & 0xFF) ** 4 >> 24

    def size(self, comment: int) -> int:
        """The number of comments in its subtree, itself included."""
        return self._sizes[comment]

    def depth(self, comment: int) -> int:
        """0 for a reply to the post."""
        depth = 0
        while (comment := self._parents[comment]) != ROOT:
            depth += 1
        return depth


@lru_cache(maxsize=8)
def shape(subreddit: Subreddit, number: int, hour: int) -> Shape:
    """The shape of a thread, kept for the requests that follow."""
    return Shape(thread(subreddit, number, hour))


class Cut:
    """One answer: at most `limit` of the comments that `roots` lead to, the best replies to the best comments first."""

    def __init__(self, of: Thread, roots: dict[int, int], *, limit: int, deeper: bool = True) -> None:
        """`roots` are comments, the best first, with their depths; without `deeper`, replies are left to stubs."""
        self._thread = of
        self._shape = shape(of.subreddit, of.number, of.hour)
        self._chosen: set[int] = set()
        self._vanished: set[int] = set()
        # Rows of siblings by the rank of the first that is not chosen yet; the second number keeps ranks apart.
        order = count()
        waiting: list[tuple[int, int, Sequence[int], int, int]] = [(0, next(order), list(roots), 0, 0)] if roots else []
        while waiting and len(self._chosen) < limit:
            rank, _, siblings, index, depth = heappop(waiting)
            comment = siblings[index]
            depth = roots.get(comment, depth)
            if index + 1 < len(siblings):
                heappush(waiting, (rank + 1, next(order), siblings, index + 1, depth))
            if not of.shows(comment):
                self._vanished.add(comment)
            elif comment not in self._chosen:
                self._chosen.add(comment)
                replies = self._shape.replies(comment) if deeper and not _too_deep(depth + 1) else ()
                if replies:
                    heappush(waiting, (rank + self._shape.drop(comment), next(order), replies, 0, depth + 1))

    def has(self, comment: int) -> bool:
        """Whether the comment is one of those chosen."""
        return comment in self._chosen

    def nested(self, comments: Iterable[int], parent: int, depth: int) -> list[Thing]:
        """The chosen of these replies to `parent`, with their replies, then a stub for those not chosen."""
        things, left = [], []
        for comment in comments:
            if comment in self._chosen:
                things.append(self._comment(comment, depth))
            elif comment not in self._vanished:
                left.append(comment)
        return [*things, self._stub(left, parent, depth)] if left else things

    def _comment(self, comment: int, depth: int) -> Thing:
        replies = self._shape.replies(comment)
        below: list[Thing] = []
        if replies and _too_deep(depth + 1):
            name = f"t1_{self._thread.comment_id(comment)}"
            below = [_more("_", name, depth + 1, count=0, children=[])]
        elif replies:
            below = self.nested(replies, comment, depth + 1)
        payload = self._thread.payload(comment)
        return thing("t1", payload | {"depth": depth, "replies": page(below, counted=False) if below else ""})

    def _stub(self, comments: list[int], parent: int, depth: int) -> Thing:
        children = [self._thread.comment_id(comment) for comment in comments]
        name = self._thread.post["name"] if parent == ROOT else f"t1_{self._thread.comment_id(parent)}"
        count = sum(map(self._shape.size, comments))
        return _more(children[0], name, depth, count=count, children=children)


def tree(of: Thread, root: int | None, limit: int) -> list[Thing]:
    """The comments of a post, nested; with a root, it and those below it, with depths counted from it."""
    if root is not None:
        return Cut(of, {root: 0}, limit=limit).nested([root], of.arrivals.parent(root), 0)
    top = shape(of.subreddit, of.number, of.hour).replies(ROOT)
    return Cut(of, dict.fromkeys(top, 0), limit=limit).nested(top, ROOT, 0)


def flat(of: Thread, comments: Iterable[int], *, limit: int, only_these: bool) -> list[Thing]:
    """The comments and those below them, parents first, with stubs for the replies and comments that are not chosen."""
    known = shape(of.subreddit, of.number, of.hour)
    depths = {comment: known.depth(comment) for comment in comments}
    cut = Cut(of, depths, limit=limit, deeper=not only_these)
    siblings: dict[int, list[int]] = {}
    for comment in depths:
        siblings.setdefault(known.parent(comment), []).append(comment)
    things: list[Thing] = []
    for parent, group in siblings.items():
        if not cut.has(parent):  # Else they stand below it.
            things += _flattened(cut.nested(group, parent, depths[group[0]]))
    return things


def _flattened(things: list[Thing]) -> Iterator[Thing]:
    for entry in things:
        replies = entry["data"].get("replies")
        if not replies:
            yield entry
            continue
        yield thing("t1", entry["data"] | {"replies": ""})
        yield from _flattened(replies["data"]["children"])


def _too_deep(depth: int) -> bool:
    """Whether an answer ends above this level. One that begins below it goes on for as many levels more."""
    return depth % DEPTH == 0


def _more(stub_id: str, parent_name: str, depth: int, *, count: int, children: list[str]) -> Thing:
    payload = {
        "count": count,
        "name": f"t1_{stub_id}",
        "id": stub_id,
        "parent_id": parent_name,
        "depth": depth,
        "children": children,
    }
    return thing("more", payload)
