"""Extraction as a task: one listing of one subreddit in one hour."""

import sys

import luigi
from tqdm import tqdm

from jobs import resources
from jobs.parameters import LimitParameter
from jobs.receipts import ReceiptTask, log
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources.names import extract_name
from reddit_etl.sources.selection import checked_limit, checked_listings, checked_subreddits
from reddit_etl.steps.extract import extract


class ExtractPosts(ReceiptTask[Extracted]):
    subreddit: str = luigi.Parameter()
    listing: str = luigi.Parameter()
    limit: int = LimitParameter()

    # A listing missed is gone, so all are read before anything else is done.
    priority = 30
    step = "extract"
    kind = Extracted

    @property
    def name(self) -> str:
        return extract_name(self.subreddit, self.listing, self.limit, resources.settings().source)

    def work(self, attempt: str) -> Extracted:
        if (self.subreddit,) != checked_subreddits([self.subreddit]):
            raise ConfigurationError(f"--subreddit {self.subreddit!r}: write it in small letters")
        checked_listings([self.listing])
        checked_limit(self.limit)
        reddit = resources.reddit(self.hour)
        with tqdm(
            desc=f"r/{self.subreddit} {self.listing}",
            total=self.limit,
            unit=" posts",
            leave=False,
            disable=not sys.stderr.isatty(),
        ) as bar:
            receipt = extract(
                entity=self.entity,
                client=reddit.client,
                lake=resources.lake(),
                clock=reddit.clock,
                source=reddit.source,
                hour=self.hour,
                attempt=attempt,
                subreddit=self.subreddit,
                listing=self.listing,
                limit=self.limit,
                progress=bar.update,
            )
        counts = {"records": receipt.records, "rejects": receipt.rejects, "requests": receipt.requests}
        counts["gaps"] = int(receipt.gap is not None)
        log.info("extracted", extra=self.log_fields() | counts | {"verdict": receipt.verdict})
        return receipt
