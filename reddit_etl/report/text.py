"""The report of a run as text."""

from collections.abc import Iterator, Set
from datetime import datetime

from reddit_etl.lake.layout import hour_text, spans_text
from reddit_etl.lake.receipts import Summary
from reddit_etl.report.facts import EntityFacts, Facts

SANDBOX = "sandbox Reddit (invented data)"
SPANS = 3
"""Of hours, in one line."""


def lines(facts: Facts) -> Iterator[str]:
    """A title, then lines with a name and a value."""
    title = f"Hour {hour_text(facts.hour)} UTC, {SANDBOX if facts.source == 'sandbox' else 'Reddit'}"
    if facts.was_complete:
        changed = "" if facts.caught_up or facts.reloaded else ", nothing changed"
        yield f"{title}: already complete; nothing requested{changed}"
    else:
        yield f"{title}: complete"
    for entity in facts.entities:
        # Looks also ask for what was never read.
        if any(one.is_listing or one.records or _what(one) == "trees" for one in entity.extracts.values()):
            yield from _counts(entity)
    yield _line("requests", f"{facts.requests:,}")
    yield _line("time", f"{facts.seconds:.1f} s")
    yield from _of_earlier_hours(facts)
    for entity in facts.entities:
        for listing, extracted in entity.extracts.items():
            yield from _issues(listing, entity, extracted)
    for entity in facts.entities:
        for listing, extracted in entity.extracts.items():
            yield from _covered(listing, entity, extracted)
    for name, url in facts.stores.items():
        yield _line(name, url)
    if facts.query:
        yield _line("query", facts.query)


def _of_earlier_hours(facts: Facts) -> Iterator[str]:
    """A line for each entity that was loaded late, and for each that was loaded again."""
    for entity in dict.fromkeys(load.entity for load in facts.caught_up):
        loads = [load for load in facts.caught_up if load.entity == entity]
        new, updated = sum(load.inserted for load in loads), sum(load.updated for load in loads)
        hours = {datetime.fromisoformat(f"{load.hour}:00") for load in loads}
        yield _line("caught up", f"{entity} {_hours(hours)}: {new:,} new, {updated:,} updated")
    for entity in dict.fromkeys(entity for entity, _ in facts.reloaded):
        of_hours = {hour: rows for (name, hour), rows in facts.reloaded.items() if name == entity}
        rows = f"{sum(of_hours.values()):,} rows that were missing in the warehouse"
        yield _line("reloaded", f"{entity} {_hours(of_hours.keys())}: {rows}")


def _hours(hours: Set[datetime]) -> str:
    """The spans, or how many hours there are if the spans are many."""
    spans = spans_text(hours)
    if spans.count(",") < SPANS:
        return spans
    return f"{len(hours):,} hours from {hour_text(min(hours))} to {hour_text(max(hours))}"


def _counts(entity: EntityFacts) -> Iterator[str]:
    listings = sum(one.is_listing and one.verdict == "ok" for one in entity.extracts.values())
    others = {_what(one) for one in entity.extracts.values() if one.records} - {""}
    read = [f"{listings} listing{'' if listings == 1 else 's'}"] if listings or not others else []
    read += sorted(others, reverse=True)
    before = entity.earlier_records
    whose = f", {before:,} of them by an earlier run of this hour" if before and entity.loads else ""
    observed = f"{entity.records:,} observation{'' if entity.records == 1 else 's'}"
    yield _line(entity.name, f"{observed} in {' and '.join(read)}{whose}")
    new, updated, known = entity.counts
    yield _line("new", f"{new:,}")
    yield _line("updated", f"{updated:,}")
    yield _line("not newer", f"{known:,}")
    if forgotten := sum(load.forgotten for load in entity.loads):
        yield _line("deleted", f"{forgotten:,} left out")
    yield _line("rejected", f"{entity.rejects:,}")


def _what(extracted: Summary) -> str:
    """What was read, other than a listing."""
    if extracted.is_listing:
        return ""
    return "trees" if "num_comments" in extracted.coverage else "looks"


def _looks(looks: Summary, whose: str) -> Iterator[str]:
    """How much was looked at again, and what is taken for deleted. `whose` says so if an earlier run did it."""
    coverage = looks.coverage
    due = f"{coverage['done']:,} of {coverage['due']:,} known posts and comments{whose}"
    yield _line("looked again", due if coverage["due"] else "nothing is due")
    others = {
        "not returned by Reddit": coverage["absent"],
        # Older receipts have neither of these two.
        "taken for deleted": coverage.get("gone", 0),
        "not taken for deleted, as nothing of their subreddit was returned": coverage.get("unclear", 0),
        "deferred to the next run": looks.left + coverage.get("waiting", 0),
        "missed": coverage["missed"],
    }
    if parts := [f"{count:,} {what}" for what, count in others.items() if count]:
        yield _line("", ", ".join(parts))
    if looks.is_suspicious:
        yield _line("deletions", "not concluded: more is absent at once than NOTICE_SHARE allows")


def _coverage(trees: Summary, whose: str) -> Iterator[str]:
    """How much of the comment trees was read. `whose` says so if an earlier run did it."""
    coverage = trees.coverage
    fetched, number = coverage["fetched"], coverage["num_comments"]
    share = f" ({percent(fetched, number)})" if number else ""
    posts = f"{coverage['done']:,} of {coverage['due']:,} posts"
    read = f"{posts}, with {fetched:,} of their {number:,} comments{share}"
    yield _line("trees", f"{read}{whose}" if coverage["due"] else "no post is due")
    others = {
        "posts deferred to the next run": trees.left + coverage.get("waiting", 0),
        "posts no longer available": coverage["unavailable"],
        "posts missed": coverage["missed"],
        "comments left in stubs": coverage["stubs_left"],
    }
    if parts := [f"{count:,} {what}" for what, count in others.items() if count]:
        yield _line("", ", ".join(parts))


def _covered(listing: str, entity: EntityFacts, extracted: Summary) -> Iterator[str]:
    if extracted.coverage:
        reported = _coverage if "num_comments" in extracted.coverage else _looks
        yield from reported(extracted, ", by an earlier run of this hour" if listing in entity.earlier else "")


def _issues(listing: str, entity: EntityFacts, extracted: Summary) -> Iterator[str]:
    if extracted.verdict != "ok":
        yield _line("skipped", f"{listing}: {extracted.verdict}")
    for reason, count in extracted.reasons.items():
        yield _line("rejected", f"{listing}: {reason} ({count})")
    if extracted.gap:
        between = f"between {extracted.gap[0]} and {extracted.gap[1]}"
        yield _line("gap", f"{listing}: {entity.name} created {between} were missed")
    if extracted.cleaned:
        changed = [f"{column} {count}" for column, count in extracted.cleaned.items()]
        yield _line("cleaned", f"{listing}: {', '.join(changed)}")
    if extracted.truncated:
        yield _line("truncated", f"{listing}: {extracted.truncated} with a text longer than its column")


def percent(part: float, whole: float = 1, digits: int = 0) -> str:
    """A share, rounded; 100% only if it is all and 0% only if it is nothing: else it is >99% or <1%."""
    share, least = part / whole, 10.0**-digits
    text = f"{share:.{digits}%}"
    if share < 1 and text == f"{1:.{digits}%}":
        return f">{100 - least:.{digits}f}%"
    return f"<{least:.{digits}f}%" if share > 0 and text == f"{0:.{digits}%}" else text


def _line(name: str, value: str) -> str:
    return f"  {name:<14}{value}"
