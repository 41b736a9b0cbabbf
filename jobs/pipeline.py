"""The whole graph: what this run was asked for, and what the runs before it left undone."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import luigi

from jobs import parameters, resources
from jobs.catch_up import Past, known_loads
from jobs.config import check_section
from jobs.load import LoadPosts, ReloadPosts
from jobs.process import held, misconfigured
from jobs.publish import PublishPosts
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.lake.layout import hour_text, load_prefix, selection_of, spans_text
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources.names import extract_name
from reddit_etl.sources.selection import LISTINGS, checked_limit, checked_listings, checked_subreddits

log = logging.getLogger(__name__)

STARTED = time.monotonic()


class RedditPipeline(luigi.Task):
    """Posts from Reddit to the lake, transformed, into the warehouse."""

    hour: datetime = parameters.HourParameter(default=hour_of(utc_now()), description="UTC hour, like 2026-11-23T04")
    subreddits: tuple[str, ...] = parameters.NamesParameter(default=(), description='JSON list, like ["python", "aws"]')
    listings: tuple[str, ...] = parameters.NamesParameter(default=("new",), description=", ".join(LISTINGS))
    limit: int = parameters.LimitParameter(default=1000, description="posts of each listing, 1000 at most")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._reported = False
        try:
            with held():
                resources.lake()
                resources.transform()
                resources.catalog()
                resources.warehouse()
            settings = resources.settings()
            check_section("RedditPipeline", [name for name, _ in self.get_params()])  # type: ignore[no-untyped-call]
            parameters.checked_hour(self.hour, sandbox=settings.source == "sandbox")
            limit = checked_limit(self.limit)
            names = (
                extract_name(subreddit, listing, limit, settings.source)
                for subreddit in checked_subreddits(self.subreddits)
                for listing in checked_listings(self.listings)
            )
            # In one order, as tasks of the same extracts are then one task.
            self._extracts = tuple(sorted(names))
        except ConfigurationError as error:
            raise misconfigured(error) from None

    @cached_property
    def _load(self) -> LoadPosts:
        return LoadPosts(hour=self.hour, extracts=self._extracts)

    @property
    def _load_prefix(self) -> str:
        return load_prefix(LoadPosts.entity.name, self.hour, selection_of(self._extracts))

    @cached_property
    def _past(self) -> Past:
        return Past(self.hour)

    @cached_property
    def _catch_up(self) -> list[LoadPosts]:
        return [LoadPosts(hour=hour, extracts=extracts) for hour, extracts in self._past.unfinished]

    @cached_property
    def _lost(self) -> list[ReloadPosts]:
        return [ReloadPosts(hour=hour, extracts=extracts) for hour, extracts in self._past.lost]

    @cached_property
    def _was_complete(self) -> bool:
        return all(task.complete() for task in _ends([self._load]))

    def requires(self) -> list[LoadPosts | PublishPosts]:
        _ = self._was_complete
        return _ends([*self._catch_up, self._load])

    def complete(self) -> bool:
        """Each run ends with its report, though all the work may have been done before."""
        return self._reported

    @classmethod
    def bulk_complete(cls, hours: Iterable[datetime]) -> list[datetime]:
        """A range asks which hours need no run: those that are done, and those that nobody can do any more."""
        asked = list(hours)
        if not all(isinstance(hour, datetime) for hour in asked):
            raise misconfigured(ConfigurationError("RedditPipeline has hours and no days: give it to RangeHourly"))
        tasks = [cls(hour=hour) for hour in asked]
        try:
            known = known_loads(min(asked), max(asked)) if asked else set()
        except EtlError as error:
            # The runs of these hours will say so.
            log.warning("the warehouse cannot be asked what it holds", extra={"error": str(error)})
            known = set()
        done = [task.hour for task in tasks if task._was_complete and task._load_prefix in known]
        gone = [task.hour for task in tasks if task.hour not in done and task._is_gone()]
        if gone:
            what = "hours skipped that were not read at the time: Reddit's listings have no past"
            log.warning(what, extra={"hours": spans_text(gone)})
        return [*done, *gone]

    def _is_gone(self) -> bool:
        """Whether it is too late to extract what is left to extract. The sandbox has a past."""
        if resources.settings().source == "sandbox" or self.hour >= hour_of(utc_now()):
            return False
        return not all(extract.complete() for extract in self._load.requires().requires())

    def run(self) -> Iterator[list[ReloadPosts]]:
        # All that was asked for is in the warehouse by now; so it is asked whether it also kept what came before.
        yield self._lost
        report = "\n".join(self._report()) + "\n"
        try:
            sys.stdout.write(report)
            sys.stdout.flush()
        except (OSError, AttributeError) as error:  # A closed pipe, a full disk, no standard output at all.
            log.warning("the report could not be printed", extra={"error": str(error)})
        if self._past.errors:
            raise self._past.errors[0]
        self._reported = True
        log.info("run complete", extra={"hour": hour_text(self.hour)})

    def __repr__(self) -> str:
        return f"RedditPipeline({hour_text(self.hour)})"

    def _report(self) -> Iterable[str]:
        extracts = [task.receipt.read() for task in self._load.requires().requires()]
        load = self._load.receipt.read()
        sandbox = resources.settings().source == "sandbox"
        title = f"Hour {hour_text(self.hour)} UTC, {'sandbox Reddit (invented posts)' if sandbox else 'Reddit'}"
        records = sum(extracted.records for extracted in extracts)
        seen = f"{records:,} in {len(extracts)} listing{'s' if len(extracts) > 1 else ''}"
        yield ""
        if self._was_complete:
            changed = "" if self._catch_up or self._lost else ", nothing changed"
            yield f"{title}: was complete before; nothing was requested{changed}"
            new, updated, known = 0, 0, load.rows
        else:
            yield f"{title}: complete"
            new, updated, known = load.inserted, load.updated, load.stale
        yield _line("posts seen", seen)
        yield _line("new", f"{new:,}")
        yield _line("updated", f"{updated:,}")
        yield _line("not newer", f"{known:,}")
        yield _line("rejected", f"{sum(e.rejects for e in extracts):,}")
        yield _line("requests", f"{resources.requests_sent(self.hour):,}")
        yield _line("time", f"{time.monotonic() - STARTED:.1f} s")
        for task in self._catch_up:
            late = task.receipt.read()
            yield _line("caught up", f"{hour_text(task.hour)}: {late.inserted:,} new, {late.updated:,} updated")
        for task in self._lost:
            yield _line("reloaded", f"{hour_text(task.hour)}: {task.rows:,} rows that the warehouse had lost")
        for extracted in extracts:
            yield from _troubles(extracted)
        yield _line("lake", resources.lake().url)
        if resources.settings().glue_database:
            yield _line("catalog", f"{resources.settings().glue_database} in Athena")
        yield _line("warehouse", resources.warehouse().url)
        python, here = Path(sys.executable), Path.cwd()
        # In a container the folder is the root, and its path the shorter one.
        python = python.relative_to(here) if python.is_relative_to(here) and here != Path("/") else python
        yield _line("ask it", f'{python} -m jobs query "SELECT subreddit, count(*) FROM reddit.posts GROUP BY 1"')


def _ends(loads: list[LoadPosts]) -> list[LoadPosts | PublishPosts]:
    """The loads, and the catalog's entries of the same rows where a catalog is kept."""
    publishes = [PublishPosts(hour=load.hour, extracts=load.extracts) for load in loads]
    return [*loads, *(publishes if resources.catalog() else ())]


def _line(name: str, value: str) -> str:
    return f"  {name:<12}{value}"


def _troubles(extracted: Extracted) -> Iterable[str]:
    place = f"r/{extracted.subreddit} {extracted.listing}"
    if extracted.verdict != "ok":
        yield _line("skipped", f"{place}: {extracted.verdict}")
    for reason, count in extracted.reasons.items():
        yield _line("rejected", f"{place}: {count} because {reason}")
    if extracted.gap:
        yield _line("gap", f"{place}: posts created from {extracted.gap[0]} to {extracted.gap[1]} were missed")
    if extracted.cleaned:
        changed = [f"{column} {count}" for column, count in extracted.cleaned.items()]
        yield _line("cleaned", f"{place}: {', '.join(changed)}")
    if extracted.truncated:
        yield _line("cut", f"{place}: {extracted.truncated} with a text longer than its column")
