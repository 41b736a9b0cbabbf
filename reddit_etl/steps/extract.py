"""Extraction: what one source gives, streamed from Reddit into the lake in one go."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reddit_etl.clock import iso
from reddit_etl.entities.record import Record, Reject, to_record
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.layout import raw_key, rejected_key
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources import Source, full_name
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.gap import find_gap

if TYPE_CHECKING:
    from reddit_etl.sources.client import Observation, RedditClient

Progress = Callable[[int], object]


@dataclass
class Tally:
    """Counts over the observations of one extract, for its receipt."""

    verdict: str = "ok"
    reasons: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    oldest: str | None = None
    newest: str | None = None

    def add(self, record: Record, moment: str) -> None:
        """`moment` is when the item was created."""
        self.cleaned.update(record.cleaned)
        self.truncated += bool(record.values["text_truncated"])
        self.oldest = min(moment, self.oldest or moment)
        self.newest = max(moment, self.newest or moment)


def extract(
    attempt: Attempt,
    what: Source,
    *,
    source: str,
    client: "RedditClient",
    past: Receipts,
    progress: Progress = lambda _: None,
) -> Extracted:
    """Read a source, and write its records and rejects.

    `past` are the receipts of the previous hours. Holds one page in memory. If the client or the lake raises an error,
    no object remains.
    """
    name = full_name(what.name, source)
    sent_before = client.requests
    tally = Tally()
    key = attempt.entity.name, attempt.hour, attempt.name, name
    with (
        JsonLines(attempt.lake, raw_key(*key)) as records,
        # Rejects are stored unchanged, including lone surrogates.
        JsonLines(attempt.lake, rejected_key(*key), ascii_only=True) as rejects,
    ):
        for position, observation in enumerate(_available(what, client, tally), start=1):
            observed = {
                "observed_at": iso(observation.observed_at),
                "source": source,
                "listing": name,
                "place": position,
            }
            outcome = to_record(attempt.entity, observation.child, observed)
            if isinstance(outcome, Reject):
                tally.reasons[outcome.reason] += 1
                rejects.write({"reason": outcome.reason, "payload": outcome.payload})
            else:
                tally.add(outcome, str(outcome.values[attempt.entity.sort]))
                records.write(outcome.values)
            progress(1)
    is_cut_off = tally.verdict != "ok" or what.is_full(records.rows + rejects.rows)
    gap = find_gap(past, attempt, name, tally.oldest) if what.is_newest_first and is_cut_off else None
    return Extracted(
        **attempt.header(),
        **what.facts(),
        source=source,
        verdict=tally.verdict,
        requests=client.requests - sent_before,
        records=records.rows,
        rejects=rejects.rows,
        objects=records.entries(),
        rejected=rejects.entries(),
        reasons=dict(tally.reasons),
        cleaned=dict(tally.cleaned),
        truncated=tally.truncated,
        oldest=tally.oldest,
        newest=tally.newest,
        gap=gap,
    )


def _available(what: Source, client: "RedditClient", tally: Tally) -> Iterator["Observation"]:
    """The observations, until Reddit denies access."""
    # Imported here, so that a run that reads nothing does without PRAW.
    from reddit_etl.sources.verdict import Unavailable  # noqa: PLC0415

    try:
        yield from what.observations(client)
    except Unavailable as unavailable:
        tally.verdict = unavailable.verdict
