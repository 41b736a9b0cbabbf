"""The whole graph: the hour of this run, and what earlier runs left undone."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import luigi

from jobs import parameters, progress, resources, restored
from jobs.catch_up import Past, known_loads
from jobs.config import check_section
from jobs.extract import Extract
from jobs.load import Load, Reload
from jobs.process import held, misconfigured
from jobs.publish import Publish
from jobs.transform import Transform
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.lake.layout import hour_text, spans_text
from reddit_etl.lake.receipts import Summary
from reddit_etl.report import text
from reddit_etl.report.facts import EntityFacts, Facts
from reddit_etl.sources import full_name, grouped
from reddit_etl.sources.listing import Listing
from reddit_etl.sources.refresh import Refresh
from reddit_etl.sources.selection import LISTINGS, checked_limit, checked_listings, checked_subreddits
from reddit_etl.sources.tree import Trees

log = logging.getLogger(__name__)

STARTED = time.monotonic()


class RedditPipeline(luigi.Task):
    """Posts and comments from Reddit to the lake, transformed, into the warehouse."""

    hour: datetime = parameters.HourParameter(default=hour_of(utc_now()), description="UTC hour, such as 2026-11-23T04")
    subreddits: tuple[str, ...] = parameters.NamesParameter(
        default=(),
        flag="--subreddits",
        example='["python", "aws"]',
        description='JSON list, such as ["python", "aws"]',
    )
    listings: tuple[str, ...] = parameters.NamesParameter(
        default=("new",), flag="--listings", example='["new", "comments"]', description=", ".join(LISTINGS)
    )
    limit: int = parameters.LimitParameter(default=1000, description="items per listing, 1000 at most")

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
            subreddits = checked_subreddits(self.subreddits)
            self._names = [
                full_name(Listing(subreddit, listing, limit).name, settings.source)
                for subreddit in subreddits
                for listing in checked_listings(self.listings)
            ]
            if settings.comment_tree_ages:
                self._names.append(full_name(Trees(settings.comment_tree_ages).name, settings.source))
            if settings.refresh_ages or settings.sweep_hours:
                looks = (Refresh(entity, settings.refresh_ages, settings.sweep_hours) for entity in ENTITIES.values())
                self._names += [full_name(one.name, settings.source) for one in looks]
        except ConfigurationError as error:
            raise misconfigured(error) from None

    @cached_property
    def _loads(self) -> list[Load]:
        """One per group of extracts, in the order of `ENTITIES`."""
        extracts = [Extract(hour=self.hour, name=name) for name in self._names]
        groups = [grouped(task.what for task in extracts if task.entity is entity) for entity in ENTITIES.values()]
        source = resources.settings().source
        return [
            Load(hour=self.hour, extracts=tuple(full_name(what.name, source) for what in group))
            for group in chain(*groups)
        ]

    def _loads_by_entity(self) -> dict[str, list[Load]]:
        found: dict[str, list[Load]] = {}
        for load in self._loads:
            found.setdefault(load.entity.name, []).append(load)
        return found

    @cached_property
    def _past(self) -> Past:
        return Past(self.hour)

    @cached_property
    def _catch_up(self) -> list[Load]:
        return [Load(hour=hour, extracts=extracts) for hour, extracts in self._past.unfinished]

    @cached_property
    def _lost(self) -> list[Reload]:
        return [Reload(hour=hour, extracts=extracts) for hour, extracts in self._past.lost]

    @cached_property
    def _restored(self) -> restored.Rows:
        """The rows of lost loads from before the hours of `_past`, which are loaded here.

        The later losses are repeated after these: as long as there are any, the next run looks back as far.
        """
        return restored.reload_before(self._past, self.hour - resources.REACH, over_pause=not self._was_complete)

    @cached_property
    def _was_complete(self) -> bool:
        # Before this run does anything, and with one listing of the lake for all tasks.
        resources.receipts(self.hour)
        return all(task.complete() for task in ends(self._loads))

    @cached_property
    def _done_before(self) -> set[str]:
        """The keys of those receipts of this hour's extracts and loads that there were before this run."""
        extracts = (extract for load in self._loads for extract in load.requires().requires())
        keys = [*(load.receipt.key for load in self._loads), *(extract.receipt.key for extract in extracts)]
        return {key for key in keys if resources.had_receipt(self.hour, key)}

    def requires(self) -> list[Load | Publish]:
        """The loads, and entries in the catalog, of this hour and of unfinished earlier hours."""
        _ = self._was_complete, self._done_before
        return ends([*self._catch_up, *self._loads])

    def complete(self) -> bool:
        """Whether the report was printed: each run prints one, even if all of its work was done before."""
        return self._reported

    @classmethod
    def bulk_complete(cls, hours: Iterable[datetime]) -> list[datetime]:
        """For ranges, the hours that need no run: those that are complete, and those that cannot be read any more."""
        asked = list(hours)
        if not all(isinstance(hour, datetime) for hour in asked):
            raise misconfigured(ConfigurationError("RedditPipeline runs by the hour: use RangeHourly"))
        tasks = [cls(hour=hour) for hour in asked]
        try:
            known = known_loads(min(asked), max(asked)) if asked else set()
        except EtlError as error:
            # The runs of these hours report it.
            log.warning("the warehouse cannot be queried for its loads", extra={"error": str(error)})
            known = set()
        done = [task.hour for task in tasks if task._was_complete and {load.id_prefix for load in task._loads} <= known]
        gone = [task.hour for task in tasks if task.hour not in done and task._is_gone()]
        if gone:
            what = "hours skipped that were not extracted at the time: Reddit's listings have no history"
            log.warning(what, extra={"hours": spans_text(gone)})
        return [*done, *gone]

    def _is_gone(self) -> bool:
        """Whether it is too late for an extract that is missing. The sandbox has a history."""
        if resources.settings().source == "sandbox" or self.hour >= hour_of(utc_now()):
            return False
        extracts = [extract for load in self._loads for extract in load.requires().requires()]
        return not all(extract.complete() for extract in extracts if not extract.what.has_past)

    def run(self) -> Iterator[list[Reload]]:
        """Reload what the warehouse lacks and print the report; then raise the first error of an earlier hour."""
        # The hour is in the warehouse by now, so it is available: does it have the earlier hours, too?
        _ = self._restored
        yield self._lost
        report = "\n".join(("", *text.lines(self._facts()), ""))
        try:
            with progress.CURRENT.hidden():
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

    def _facts(self) -> Facts:
        settings = resources.settings()
        catalog = {"catalog": f"{settings.glue_database} in Athena"} if settings.glue_database else {}
        return Facts(
            hour=self.hour,
            source=settings.source,
            was_complete=self._was_complete,
            entities=[self._facts_of(name, loads) for name, loads in self._loads_by_entity().items()],
            requests=resources.requests_sent(self.hour),
            seconds=time.monotonic() - STARTED,
            caught_up=[task.receipt.read() for task in self._catch_up],
            reloaded=self._reloaded(),
            stores={"lake": resources.lake().url} | catalog | {"warehouse": resources.warehouse().url},
            query=f'{_python()} -m jobs query "SELECT subreddit, count(*) AS posts FROM reddit.posts GROUP BY 1"',
        )

    def _reloaded(self) -> restored.Rows:
        rows = self._restored.copy()
        for task in self._lost:
            rows[task.entity.name, task.hour] += task.rows
        return rows

    def _facts_of(self, entity: str, loads: list[Load]) -> EntityFacts:
        extracts = [extract for load in loads for extract in load.requires().requires()]
        before = self._done_before
        return EntityFacts(
            name=entity,
            extracts={title: one for load in loads for title, one in _summaries(load.requires()).items()},
            loads=[load.receipt.read() for load in loads if load.receipt.key not in before],
            earlier={extract.what.title for extract in extracts if extract.receipt.key in before},
            earlier_loads=[load.receipt.read() for load in loads if load.receipt.key in before],
        )


def ends(loads: list[Load]) -> list[Load | Publish]:
    """The loads, and with a catalog its entries for the same rows."""
    publishes = [Publish(hour=load.hour, extracts=load.extracts) for load in loads]
    return [*loads, *(publishes if resources.catalog() else ())]


def _summaries(transform: Transform) -> dict[str, Summary]:
    """What the report shows of each extract, by title; the transformation's receipt has it in one object."""
    found = transform.receipt.read().summaries
    extracts = transform.requires()
    return {task.what.title: found.get(task.name) or task.receipt.read().summary for task in extracts}


def _python() -> Path:
    """The path of the interpreter, relative to the working directory if possible."""
    python, here = Path(sys.executable), Path.cwd()
    # In a container the working directory is /, and the absolute path is as short.
    return python.relative_to(here) if python.is_relative_to(here) and here != Path("/") else python
