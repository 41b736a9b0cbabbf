"""Gaps: items that were missed because a listing no longer reached back to the previous run."""

import logging
from collections.abc import Iterator

from reddit_etl.errors import LakeError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.receipts import Extracted
from reddit_etl.steps.attempt import Attempt

log = logging.getLogger(__name__)


def find_gap(past: Receipts, attempt: Attempt, name: str, oldest: str | None) -> tuple[str, str] | None:
    """The two times between which items were created that no extract of this name has read.

    `oldest` is the time of creation of the oldest item that was just read. None: nothing was missed, or it is unknown.
    """
    watermark = _watermark(past, attempt, name) if oldest else None
    if not oldest or not watermark or watermark >= oldest:
        return None
    log.warning("items missed", extra={"listing": name, "after": watermark, "before": oldest})
    return watermark, oldest


def _watermark(past: Receipts, attempt: Attempt, name: str) -> str | None:
    """The time of creation of the newest item that an earlier extract of this listing has read, if there is one."""
    try:
        for key in _earlier(past, attempt.entity.name, name):
            newest = _newest(attempt.lake.read(key), key)
            # An hour in which the subreddit was private or empty has none.
            if newest and isinstance(newest, str):
                return newest
    except Exception as error:  # noqa: BLE001
        # Whatever the error is, it must not discard what was just read from Reddit.
        log.warning("gap check failed", extra={"listing": name, "error": str(error)})
    return None


def _earlier(past: Receipts, entity: str, name: str) -> Iterator[str]:
    """The keys of earlier extracts of the listing, the latest first; after a long pause, of the last day before it."""
    yield from reversed(past.extracts_of(entity, name))
    if past.before:
        yield from reversed(past.before.extracts_of(entity, name))


def _newest(content: bytes | None, key: str) -> str | None:
    try:
        return Extracted.from_json(content, key=key).newest if content else None
    except LakeError as error:
        log.warning("damaged receipt skipped", extra={"receipt": key, "error": str(error)})
        return None
