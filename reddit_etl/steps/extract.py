"""Extraction: what one source gives, streamed from Reddit into the lake in one go."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reddit_etl.clock import iso
from reddit_etl.entities.record import Reject, kind_of, to_record
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.layout import raw_key, rejected_key
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources import Source, full_name
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.gap import find_gap

if TYPE_CHECKING:
    from reddit_etl.sources.client import RedditClient

Progress = Callable[[int], object]


@dataclass
class Part:
    """The records and rejects of one entity, written as they are read, and their counts for the receipt."""

    entity: Entity
    records: JsonLines
    rejects: JsonLines
    reasons: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    oldest: str | None = None
    newest: str | None = None

    def add(self, child: object, observed: Mapping[str, object], *, reason: str | None) -> None:
        """Convert and write one payload, or reject it for that reason."""
        outcome = Reject(child, reason) if reason else to_record(self.entity, child, observed)
        if isinstance(outcome, Reject):
            self.reasons[outcome.reason] += 1
            self.rejects.write({"reason": outcome.reason, "payload": outcome.payload})
            return
        values = outcome.values
        self.records.write(values)
        if outcome.cleaned:
            self.cleaned.update(outcome.cleaned)
        if values["text_truncated"]:
            self.truncated += 1
        moment = str(values[self.entity.sort])
        if self.oldest is None or moment < self.oldest:
            self.oldest = moment
        if self.newest is None or moment > self.newest:
            self.newest = moment

    def fields(self) -> dict[str, Any]:
        """The fields of the receipt. Call it when the objects are closed."""
        return {
            "records": self.records.rows,
            "rejects": self.rejects.rows,
            "objects": self.records.entries(),
            "rejected": self.rejects.entries(),
            "reasons": dict(self.reasons),
            "cleaned": dict(self.cleaned),
            "truncated": self.truncated,
            "oldest": self.oldest,
            "newest": self.newest,
        }


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
    # Imported here, so that a run that reads nothing does without PRAW.
    from reddit_etl.sources.verdict import Unavailable  # noqa: PLC0415

    name = full_name(what.name, source)
    sent_before = client.requests
    verdict = "ok"
    with ExitStack() as stack:
        part, *others = (
            _open(attempt, entity, name, stack) for entity in (attempt.entity, *(one.entity for one in what.parts))
        )
        parts: dict[str | None, Part] = {one.entity.kind: one for one in others}
        written = lru_cache(maxsize=1)(iso)  # All of a page have the same time.
        try:
            for position, observation in enumerate(what.observations(client), start=1):
                observed = {
                    "observed_at": written(observation.observed_at),
                    "source": source,
                    "listing": full_name(observation.listing, source) if observation.listing else name,
                    "place": position,
                }
                one = parts.get(kind_of(observation.child), part)
                one.add(observation.child, observed, reason=observation.reason)
                progress(1)
        except Unavailable as unavailable:
            verdict = unavailable.verdict
    is_cut_off = verdict != "ok" or what.is_full(part.records.rows + part.rejects.rows)
    gap = find_gap(past, attempt, name, part.oldest) if what.is_newest_first and is_cut_off else None
    return Extracted(
        **attempt.header(),
        **what.facts(),
        **part.fields(),
        source=source,
        verdict=verdict,
        requests=client.requests - sent_before,
        others={one.entity.name: one.fields() for one in others},
        gap=gap,
    )


def _open(attempt: Attempt, entity: Entity, name: str, stack: ExitStack) -> Part:
    key = entity.name, attempt.hour, attempt.name, name
    return Part(
        entity,
        stack.enter_context(JsonLines(attempt.lake, raw_key(*key))),
        # Rejects are stored unchanged, including lone surrogates.
        stack.enter_context(JsonLines(attempt.lake, rejected_key(*key), ascii_only=True)),
    )


def taken_over(attempt: Attempt, read: Extracted) -> Extracted:
    """The receipt of an entity that the extract of another one has read too; empty if it was added after that."""
    part = read.part(attempt.entity.name)
    if part is None:
        part = {"records": 0, "rejects": 0, "objects": (), "rejected": ()}
    return Extracted(**attempt.header(), source=read.source, verdict=read.verdict, requests=0, **part)
