"""The parts of the page on the state of the pipeline."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median

from reddit_etl.lake.layout import hour_text, spans_text
from reddit_etl.report import state_plots
from reddit_etl.report.page import NONE, Fact, Part, Table
from reddit_etl.report.state import LOOKS, TREES, Reading, State
from reddit_etl.report.text import percent

REQUESTS_AN_HOUR = 6000
"""Reddit allows 100 requests a minute for each OAuth client (Reddit Data API Wiki)."""
DELETED_WITHIN = 48
"""Hours within which Reddit asks for the removal of deleted content (the same page)."""
STALE = 26
"""Hours without a finished task after which the age is marked: a daily schedule and two hours."""
LOOKED = {
    "due": "due",
    "done": "done: returned by Reddit",
    "absent": "absent: not returned by Reddit",
    "gone": "gone: absent again an hour later, so taken for deleted",
    "deferred": "deferred: left for a later run",
    "missed": "missed: overdue, so dropped",
}
TREES_READ = {
    "due": "due",
    "done": "done: the whole tree was read",
    "unavailable": "unavailable: no longer returned by Reddit",
    "deferred": "deferred: left for a later run",
    "missed": "missed: overdue, so dropped",
    "fetched": "their comments that were read",
    "num_comments": "their comments by Reddit's count",
}
"""Numbers of a coverage, and what the page calls them."""
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Bytes with a decimal unit, such as 1.5 MB."""
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:,.0f} {UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:,.1f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Such as 12 s, 3.5 min or 1.2 h."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} s"


def facts(state: State, now: datetime) -> Iterator[Fact]:
    """The numbers at the top of the page."""
    every, waiting = len(state.hours), len(state.read - state.loaded)
    note = f"{waiting} read, not loaded" if waiting else "since the first run" if state.begun else "of the range"
    yield Fact("Hours loaded", f"{len(state.loaded):,} of {every:,}", note, bool(waiting))
    records = sum(one.records for one in state.readings.values())
    yield Fact("Observations", f"{records:,}", f"of posts and comments, in {len(state.read):,} hours")
    rejects = sum(one.rejects for one in state.readings.values())
    yield Fact("Rejected", f"{rejects:,}", "payloads that are not a valid record", bool(rejects))
    yield Fact("Gaps", f"{len(state.gaps):,}", "times in which something was missed", bool(state.gaps))
    if state.lag:
        lags = [minutes * 60 for minutes in state.lag.values()]
        yield Fact("Lag", duration(median(lags)), f"median until loaded; longest {duration(max(lags))}")
    if state.last_done:
        age = max(0.0, (now - state.last_done).total_seconds())
        yield Fact("Last finished task", duration(age), "before this report was made", age > STALE * 3600)
    most = max(state.requests.values(), default=0)
    note = f"{most:,} of {REQUESTS_AN_HOUR:,} that Reddit allows an hour"
    yield Fact("Requests, at most", percent(most, REQUESTS_AN_HOUR, digits=1), note, most > 0.9 * REQUESTS_AN_HOUR)


def parts(state: State, lost: int | None) -> list[Part]:
    """All parts, in the order of the page. `lost` are loads that the warehouse lacks, None if it is not known."""
    return [
        _hours(state),
        _readings(state),
        _rejects(state),
        _again(state),
        _requests(state),
        _time(state),
        _deletions(state),
        _reconciled(lost),
        _maintenance(state),
        _zones(state),
    ]


def _hours(state: State) -> Part:
    without = [hour for hour in state.hours if hour not in state.read]
    waiting = sorted(state.read - state.loaded)
    text = f"{len(state.loaded):,} of {len(state.hours):,} hours are in the warehouse, by the receipts of their loads."
    if waiting:
        text += f" Read and not loaded: {spans_text(waiting)}. The next run loads those of the last 48 hours."
    rows = [[span, ""] for span in spans_text(without).split(", ")] if without else []
    return Part(
        "covered-hours",
        "Hours covered",
        f"{text} An hour without a run is not lost as long as the next listing reaches back to it; what was "
        "missed is a gap.",
        [state_plots.hours(state.hours[0], state.last, state.read, state.loaded)],
        [Table(f"Hours without a run: {len(without):,}", ["hours, UTC"], [row[:1] for row in rows], is_folded=True)],
    )


def _readings(state: State) -> Part:
    gaps = [[one.title, one.entity, _minute(one.first), _minute(one.last)] for one in state.gaps]
    rows = [
        [title, *_numbers(one.hours, one.records, one.rejects, one.requests, one.full, one.gaps, one.truncated)]
        for title, one in sorted(state.readings.items())
    ]
    skipped = [
        [title, verdict, *_numbers(number)]
        for title, one in sorted(state.readings.items())
        for verdict, number in one.skipped.most_common()
    ]
    return Part(
        "extracts",
        "What was read, gaps and cut-offs",
        f"Recorded gaps: {len(gaps):,}. A listing is full if it had as many items as its limit allows; it has a gap if "
        "it ended after the newest item of the previous reading. What is in two extracts is observed twice. A text is "
        "cut if it is longer than its column.",
        tables=[
            Table("Gaps: what was created in between was missed", ["extract", "entity", "from", "to"], gaps, 4),
            Table("Not readable, by Reddit's answer", ["extract", "answer", "runs"], skipped, 2),
            Table("Extracts", ["extract", "runs", "observed", "rejects", "requests", "full", "gaps", "cut"], rows),
        ],
    )


def _rejects(state: State) -> Part:
    rows = [
        [reason, entity, *_numbers(number)]
        for (entity, reason), number in sorted(state.reasons.items(), key=lambda one: (-one[1], one[0]))
    ]
    total = sum(state.reasons.values())
    text = f"Rejected payloads, which the lake keeps: {total:,}." if total else "No payload was rejected."
    table = Table("Rejects", ["reason", "entity", "payloads"], rows, 2)
    return Part("rejects", "Rejects by reason", text, tables=[table])


def _again(state: State) -> Part:
    texts, tables = [], []
    if looks := state.readings.get(LOOKS):
        texts.append("Known posts and comments are requested by id, a hundred at once: these are looks.")
        if looks.suspicious:
            what = "more was absent at once than NOTICE_SHARE allows, so nothing was concluded"
            texts.append(f"In {looks.suspicious:,} runs {what}.")
        tables.append(_covered(LOOKS, "posts and comments", looks, LOOKED))
    if trees := state.readings.get(TREES):
        texts.append("The comment tree of a post is read once it has one of the chosen ages.")
        tables.append(_covered(TREES, "posts", trees, TREES_READ))
    text = " ".join(texts) or "Neither looks nor comment trees are in these hours."
    return Part("looks", "Looks and comment trees", text, tables=tables)


def _covered(title: str, column: str, reading: Reading, names: Mapping[str, str]) -> Table:
    """Without what older receipts do not have."""
    rows = [[text, f"{reading.coverage[name]:,}"] for name, text in names.items() if name in reading.coverage]
    return Table(title.capitalize(), [column, "number"], rows)


def _requests(state: State) -> Part:
    total = sum(state.requests.values())
    text = f"{total:,} requests in all, logins and retries included. Reddit allows {REQUESTS_AN_HOUR:,} an hour."
    return Part(
        "reddit-requests",
        "Requests to Reddit",
        text,
        [state_plots.requests(state.requests, state.hours, REQUESTS_AN_HOUR)],
    )


def _time(state: State) -> Part:
    rows = [
        [step, f"{len(seconds):,}", duration(median(seconds)), duration(max(seconds)), duration(sum(seconds))]
        for step, seconds in state.seconds.items()
    ]
    return Part(
        "lag-and-time",
        "Lag and time",
        "Lag: from the beginning of an hour's first extract until its last load was committed. Time per task is known "
        "to the second. No receipt holds the memory of a run; the log of the container has it.",
        [state_plots.lag(state.lag)],
        [Table("Time per task", ["step", "tasks", "median", "longest", "sum"], rows)],
    )


def _deletions(state: State) -> Part:
    took = [one.hours for one in state.removals if one.hours is not None]
    text = "No content was removed because it was deleted on Reddit, or on request."
    if state.removals:
        number = sum(one.tombstones for one in state.removals)
        rows, objects = sum(one.rows for one in state.removals), sum(one.objects for one in state.removals)
        text = f"Runs of forgetting: {len(state.removals):,}, with {number:,} tombstones of their own. "
        text += f"Removed rows: {rows:,}; objects of the lake that were replaced or removed: {objects:,}."
    if took:
        text += f" From notice to the last byte: at most {duration(max(took) * 3600)}"
        text += f"; Reddit asks for {DELETED_WITHIN} hours."
    table = [
        [
            hour_text(one.hour),
            one.why,
            duration(one.hours * 3600) if one.hours is not None else NONE,
            *_numbers(one.tombstones, one.rows, one.objects),
        ]
        for one in state.removals
    ]
    columns = ["hour", "why", "took", "tombstones", "rows", "objects"]
    return Part("deletions", "Deletions", text, tables=[Table("Runs of forgetting", columns, table, 2)])


def _reconciled(lost: int | None) -> Part:
    if lost is None:
        text = "The warehouse was unavailable, so its loads were not compared with the receipts."
    elif lost:
        text = f"Loads that receipts record and the warehouse's load_audit lacks: {lost:,}."
    else:
        text = "The warehouse's load_audit has all loads that receipts record."
    return Part(
        "reconcile",
        "Reconcile",
        f"{text} The comparison of every row of lake, catalog and warehouse leaves no receipt, so nothing of it is "
        "shown here; run it with: python -m jobs reconcile",
    )


def _maintenance(state: State) -> Part:
    rows = []
    for one in state.retained:
        counts = [one.expired.get("objects", 0), one.compacted.get("merged", 0), one.compacted.get("objects", 0)]
        counts.append(one.packed.get("packed", 0))
        rows.append([one.hour, *_numbers(counts[0]), size(one.expired.get("bytes", 0)), *_numbers(*counts[1:])])
    text = "Old raw records are removed, and the small objects of past days become one; so do old receipts."
    text = text if rows else "Maintenance has not run in these hours: no receipt of it was found."
    columns = ["hour", "removed", "bytes", "merged", "into", "receipts"]
    return Part("maintenance", "Retention", text, tables=[Table("Objects by run", columns, rows)])


def _zones(state: State) -> Part:
    rows = [[zone, f"{number:,}", size(total)] for zone, (number, total) in state.zones.items()]
    sums = [sum(numbers) for numbers in zip(*state.zones.values(), strict=True)] or [0, 0]
    text = f"These zones have {sums[0]:,} objects with {size(sums[1])}."
    return Part("lake", "Objects of the lake", text, tables=[Table("By zone", ["zone", "objects", "size"], rows)])


def _numbers(*counts: int) -> Sequence[str]:
    return [f"{count:,}" for count in counts]


def _minute(moment: str) -> str:
    """Of a time in the lake's format."""
    return moment[:16].replace("T", " ")
