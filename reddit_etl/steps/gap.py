"""Gaps: what a listing no longer reached back to."""

import logging

from reddit_etl.errors import LakeError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.receipts import Extracted
from reddit_etl.steps.attempt import Attempt

log = logging.getLogger(__name__)


def find_gap(past: Receipts, attempt: Attempt, name: str, oldest: str | None) -> tuple[str, str] | None:
    """The two moments between which things were created that no extract of this name has read.

    `oldest` is when the oldest of what was just read was created. None: nothing was missed, or nobody knows.
    """
    watermark = _watermark(past, attempt, name) if oldest else None
    if not oldest or not watermark or watermark >= oldest:
        return None
    log.warning("items were missed", extra={"listing": name, "after": watermark, "before": oldest})
    return watermark, oldest


def _watermark(past: Receipts, attempt: Attempt, name: str) -> str | None:
    """When the newest item was created that the same extract saw last, in the hours before; None if it saw none."""
    try:
        earlier = past.keys_of("extract", attempt.entity.name, name)
    except Exception as error:  # noqa: BLE001
        log.warning("whether items were missed is unknown", extra={"receipts": name, "error": str(error)})
        return None
    for key in reversed(earlier):
        try:
            content = attempt.lake.read(key)
        except Exception as error:  # noqa: BLE001
            # What was just read from Reddit is not to be lost for it, whatever it is, nor to wait for others.
            log.warning("whether items were missed is unknown", extra={"receipt": key, "error": str(error)})
            return None
        try:
            newest = Extracted.from_json(content, key=key).newest if content else None
        except LakeError as error:
            log.warning("an earlier receipt is damaged", extra={"receipt": key, "error": str(error)})
            continue
        # An hour in which the subreddit was private or Reddit gave nothing says nothing of what was seen.
        if newest and isinstance(newest, str):
            return newest
    return None
