"""The whole graph: what this run was asked for, and what the runs before it left undone."""

import sys
import time
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import luigi

from jobs import parameters, resources
from jobs.load import LoadPosts
from jobs.process import misconfigured
from jobs.receipts import unfinished
from jobs.settings import check_config
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.engines import transform_engine
from reddit_etl.errors import ConfigurationError
from reddit_etl.receipt import Extracted, extract_name, hour_text

STARTED = time.monotonic()


class RedditPipeline(luigi.Task):
    """Posts from Reddit to the lake, transformed, into the warehouse."""

    hour: datetime = parameters.HourParameter(default=hour_of(utc_now()), description="UTC hour, like 2026-11-23T04")
    subreddits: tuple[str, ...] = parameters.NamesParameter(default=(), description='JSON list, like ["python", "aws"]')
    listings: tuple[str, ...] = parameters.NamesParameter(default=("new",), description=", ".join(parameters.LISTINGS))
    limit: int = parameters.LimitParameter(default=1000, description="posts of each listing, 1000 at most")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._reported = False
        try:
            settings = resources.settings()
            check_config("RedditPipeline", [name for name, _ in self.get_params()])  # type: ignore[no-untyped-call]
            parameters.checked_hour(self.hour, sandbox=settings.source == "sandbox")
            limit = parameters.checked_limit(self.limit)
            self._extracts = tuple(
                extract_name(subreddit, listing, limit)
                for subreddit in parameters.checked_subreddits(self.subreddits)
                for listing in parameters.checked_listings(self.listings)
            )
            transform_engine(settings.transform_engine)
            resources.lake()
            resources.warehouse()
        except ConfigurationError as error:
            raise misconfigured(error) from None

    @cached_property
    def _load(self) -> LoadPosts:
        return LoadPosts(hour=self.hour, extracts=self._extracts)

    @cached_property
    def _catch_up(self) -> list[LoadPosts]:
        return [LoadPosts(hour=hour, extracts=extracts) for hour, extracts in unfinished(self.hour)]

    @cached_property
    def _was_complete(self) -> bool:
        return bool(self._load.complete())  # type: ignore[no-untyped-call]

    def requires(self) -> list[LoadPosts]:
        _ = self._was_complete
        return [*self._catch_up, self._load]

    def complete(self) -> bool:
        """Each run ends with its report, though all the work may have been done before."""
        return self._reported

    def run(self) -> None:
        sys.stdout.write("\n".join(self._report()) + "\n")
        sys.stdout.flush()
        self._reported = True

    def __repr__(self) -> str:
        return f"RedditPipeline({hour_text(self.hour)})"

    def _report(self) -> Iterable[str]:
        extracts = [task.receipt.read() for task in self._load.requires().requires()]
        loads = [task.receipt.read() for task in [*self._catch_up, self._load]]
        settings = resources.settings()
        yield ""
        place = "sandbox Reddit (invented posts)" if settings.source == "sandbox" else "Reddit"
        title = f"Hour {hour_text(self.hour)} UTC, {place}"
        yield f"{title}: was complete before; nothing was requested" if self._was_complete else f"{title}: complete"
        rows = {
            "posts seen": f"{sum(e.records for e in extracts):,} in {len(extracts)} listings",
            "new": f"{sum(load.inserted for load in loads):,}",
            "updated": f"{sum(load.updated for load in loads):,}",
            "unchanged": f"{sum(load.stale for load in loads):,}",
            "rejected": f"{sum(e.rejects for e in extracts):,}",
            "requests": "0" if self._was_complete else f"{sum(e.requests for e in extracts):,}",
            "time": f"{time.monotonic() - STARTED:.1f} s",
        }
        if self._catch_up:
            rows["caught up"] = ", ".join(sorted({hour_text(task.hour) for task in self._catch_up}))
        yield from (f"  {name:<12}{value}" for name, value in rows.items())
        yield from _troubles(extracts)
        yield f"  {'lake':<12}{resources.lake().url}"
        yield f"  {'warehouse':<12}{resources.warehouse().url}"
        python = Path(sys.executable)
        python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
        yield f'  {"ask it":<12}{python} -m jobs query "SELECT subreddit, count(*) FROM reddit.posts GROUP BY 1"'


def _troubles(extracts: list[Extracted]) -> Iterable[str]:
    for extracted in extracts:
        place = f"r/{extracted.subreddit} {extracted.listing}"
        if extracted.verdict != "ok":
            yield f"  {'skipped':<12}{place}: {extracted.verdict}"
        for reason, count in extracted.reasons.items():
            yield f"  {'rejected':<12}{place}: {count} because {reason}"
        if extracted.gap:
            yield f"  {'gap':<12}{place}: posts created from {extracted.gap[0]} to {extracted.gap[1]} were missed"
        if extracted.cleaned or extracted.truncated:
            changed = [f"{column} {count}" for column, count in extracted.cleaned.items()]
            yield f"  {'cleaned':<12}{place}: {', '.join([*changed, f'{extracted.truncated} texts cut to size'])}"
