"""Extraction: one listing of one subreddit, streamed from Reddit into the lake in one go."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from reddit_etl.clock import Clock, iso
from reddit_etl.entities.record import Reject, to_record
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import LakeError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.layout import hour_text, raw_key, receipt_key, rejected_key
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources.client import Observation, RedditClient
from reddit_etl.sources.names import extract_name
from reddit_etl.sources.selection import LISTING_CAP
from reddit_etl.sources.verdict import Unavailable

log = logging.getLogger(__name__)

WATERMARK_HOURS = 48
# Reddit's listings end at "about" 1,000; one that ends well below has come to its end.
NEARLY_FULL = 0.9

Progress = Callable[[int], object]


def extract(
    *,
    entity: Entity,
    client: RedditClient,
    lake: Lake,
    clock: Clock,
    source: str,
    hour: datetime,
    attempt: str,
    subreddit: str,
    listing: str,
    limit: int,
    progress: Progress = lambda _: None,
) -> Extracted:
    """Read one listing, write its records and rejects, and say what was done.

    Holds one page in memory. Raises what the client and the lake raise, and then leaves no object behind.
    """
    name = extract_name(subreddit, listing, limit, source)
    sent_before = client.requests
    cleaned: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    truncated = 0
    created: list[str] = []  # Oldest and newest.
    verdict = "ok"

    def observations() -> Iterator[Observation]:
        nonlocal verdict
        try:
            yield from client.listing(subreddit, listing, limit=limit)
        except Unavailable as unavailable:
            verdict = unavailable.verdict

    with (
        JsonLines(lake, raw_key(entity.name, hour, attempt, name)) as records,
        # Rejects are kept to the letter, lone surrogates too.
        JsonLines(lake, rejected_key(entity.name, hour, attempt, name), ascii_only=True) as rejects,
    ):
        for place, observation in enumerate(observations(), start=1):
            outcome = to_record(
                entity,
                observation.child,
                {
                    "observed_at": iso(observation.observed_at),
                    "source": source,
                    "listing": name,
                    "place": place,
                },
            )
            if isinstance(outcome, Reject):
                reasons[outcome.reason] += 1
                rejects.write({"reason": outcome.reason, "payload": outcome.payload})
            else:
                cleaned.update(outcome.cleaned)
                truncated += bool(outcome.values["text_truncated"])
                moment = str(outcome.values["created_at"])
                created = [min(moment, *created[:1]), max(moment, *created[1:])] if created else [moment, moment]
                records.write(outcome.values)
            progress(1)

    oldest, newest = created or (None, None)
    cut_off = verdict != "ok" or records.rows + rejects.rows >= NEARLY_FULL * min(limit, LISTING_CAP)
    gap = None
    if listing == "new" and oldest and cut_off:
        watermark = _watermark(lake, entity, hour, name)
        gap = (watermark, oldest) if watermark and watermark < oldest else None
    if gap:
        log.warning("posts were missed", extra={"subreddit": subreddit, "after": gap[0], "before": gap[1]})
    return Extracted(
        entity=entity.name,
        hour=hour_text(hour),
        attempt=attempt,
        committed_at=iso(clock()),
        subreddit=subreddit,
        listing=listing,
        limit=limit,
        source=source,
        verdict=verdict,
        requests=client.requests - sent_before,
        records=records.rows,
        rejects=rejects.rows,
        objects=records.entries(),
        rejected=rejects.entries(),
        reasons=dict(reasons),
        cleaned=dict(cleaned),
        truncated=truncated,
        oldest=oldest,
        newest=newest,
        gap=gap,
    )


def _watermark(lake: Lake, entity: Entity, hour: datetime, name: str) -> str | None:
    """When the newest post was created that the same extract saw last, in the hours before; None if it saw none."""
    for hours in range(1, WATERMARK_HOURS + 1):
        key = receipt_key("extract", entity.name, hour - timedelta(hours=hours), name)
        try:
            content = lake.read(key)
        except Exception as error:  # noqa: BLE001
            # What was just read from Reddit is not to be lost for it, whatever it is, nor to wait for 47 more.
            log.warning("whether posts were missed is unknown", extra={"receipt": key, "error": str(error)})
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
