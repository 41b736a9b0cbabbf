"""The report of a range of hours as an HTML page: facts from the receipts of the lake and from the warehouse."""

import logging
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path

from jobs import output, resources
from jobs.catch_up import Past
from reddit_etl.clock import utc_now
from reddit_etl.errors import ConfigurationError, LakeError, WarehouseError
from reddit_etl.extras import needing
from reddit_etl.lake.index import newest
from reddit_etl.lake.layout import hour_text
from reddit_etl.report import state
from reddit_etl.report.collection import Collection, collect

HOUR = timedelta(hours=1)
RANGE = timedelta(days=7)
ENDINGS = (".html", ".htm")


def check(setting: str) -> None:
    """Raises ConfigurationError, which names the setting, without the libraries of the extra."""
    # It logs that it looks for fonts.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with needing("report", setting):
        import_module("reddit_etl.report.content")
        import_module("reddit_etl.report.page")


def write(name: str, first: datetime | None, last: datetime | None) -> str:
    """Write the page of the hours from `first` to `last`, inclusive, to that file; gives a line that reports it.

    By default the seven days up to the newest run or maintenance. Raises EtlError.
    """
    if Path(name).suffix.lower() not in ENDINGS:
        raise ConfigurationError(f"--output: {name} is not HTML: use a name that ends with {' or '.join(ENDINGS)}")
    check("report")
    if not last:
        last = _newest()
        if first and first > last:
            raise ConfigurationError(
                f"--first {hour_text(first)} is after {hour_text(last)}, the newest hour with a run or maintenance: "
                "choose an hour that is not later"
            )
    first = first or last - RANGE + HOUR
    html, has_warehouse = page(first, last)
    with output.appearing(name) as path:
        path.write_text(html, encoding="utf-8")
    span = f"{hour_text(first)} to {hour_text(last)}"
    return f"{name}: {span}{'' if has_warehouse else '; the warehouse was unavailable'}"


def page(first: datetime, last: datetime) -> tuple[str, bool]:
    """The page of the hours from `first` to `last`, inclusive, and whether the warehouse could be asked.

    If it is unavailable, the page has what receipts hold, and says so. Raises EtlError.
    """
    from reddit_etl.report import content, status  # noqa: PLC0415
    from reddit_etl.report.page import Page  # noqa: PLC0415

    if first > last:
        raise ConfigurationError(f"--first {hour_text(first)} is after --last {hour_text(last)}: swap them")
    now, lake, warehouse = resources.clock(last)(), resources.lake(), resources.warehouse()
    past, source = Past(last + HOUR, first=first), resources.settings().source
    facts = state.State(first, last)
    state.collect(lake, past.receipts.all, facts, source=source, warehouse=resources.warehouse_name())
    facts.loaded -= {hour for hour, _ in past.unfinished}
    found, lost, notices = _ask(past, source, first, last)
    if facts.unreadable:
        number, steps = sum(facts.unreadable.values()), ", ".join(sorted(facts.unreadable))
        notices.append(f"Receipts that could not be read: {number:,} ({steps}). What they hold is missing here.")
    has_trees = state.TREES in facts.readings
    made = Page(
        first=first,
        last=last,
        made_at=utc_now(),
        source=source,
        stores={"lake": lake.url, "warehouse": warehouse.url},
        facts=list(status.facts(facts, now)),
        notices=notices,
        state=status.parts(facts, lost),
        collection=content.parts(found, state.hours(first, last), has_trees=has_trees) if found else [],
    )
    return made.html(), found is not None


def _newest() -> datetime:
    """The newest hour of a run or a maintenance. Raises EtlError."""
    lake = resources.lake()
    # Not that of a request: the sandbox has hours far from those in which requests are made.
    if hour := newest(lake, ("extract", "retain")):
        return hour
    raise LakeError(f"{lake.url} has no receipt of an extract: run the pipeline first")


def _ask(past: Past, source: str, first: datetime, last: datetime) -> tuple[Collection | None, int | None, list[str]]:
    """What the warehouse holds, how many loads it lacks, and notices for the reader; None if it is unavailable."""
    try:
        found = collect(resources.warehouse(), source=source, first=first, end=last + HOUR)
        lost = len(past.lost_loads)
    except (WarehouseError, ConfigurationError) as error:
        return None, None, [f"The warehouse was unavailable: {error}. What follows is from the receipts of the lake."]
    what = f"Loads that receipts record and the warehouse lacks: {lost:,}. It was replaced, emptied or restored; "
    return (
        found,
        lost,
        [f"{what}the next run repeats those of the last 48 hours, and then looks further back."] * bool(lost),
    )
