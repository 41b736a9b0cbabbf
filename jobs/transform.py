"""The transformation as a task: the records of several extracts of one hour to Parquet."""

import luigi

from jobs import resources
from jobs.extract import ExtractPosts
from jobs.receipts import ReceiptTask, log
from reddit_etl.clock import iso
from reddit_etl.engines import transform_engine
from reddit_etl.errors import TransformError
from reddit_etl.receipt import Transformed, curated_prefix, extract_parts, hour_text, selection_of


class TransformPosts(ReceiptTask[Transformed]):
    extracts: tuple[str, ...] = luigi.ListParameter()

    priority = 20
    step = "transform"
    kind = Transformed

    @property
    def name(self) -> str:
        return selection_of(self.extracts)

    def requires(self) -> list[ExtractPosts]:
        return [
            ExtractPosts(hour=self.hour, subreddit=subreddit, listing=listing, limit=limit)
            for subreddit, listing, limit, _ in filter(None, map(extract_parts, self.extracts))
        ]

    def work(self, attempt: str) -> Transformed:
        transform = transform_engine(resources.settings().transform_engine)
        extracts = [task.receipt.read() for task in self.requires()]
        records = sum(extracted.records for extracted in extracts)
        done = transform(
            entity=self.entity,
            lake=resources.lake(),
            inputs=[entry for extracted in extracts for entry in extracted.objects],
            prefix=curated_prefix(self.entity.name, self.hour, self.name, attempt),
        )
        rows = sum(entry.rows for entry in done.objects)
        if done.records != records or rows > records or (records and not rows):
            raise TransformError(f"{records} records went in, {done.records} were read and {rows} rows came out")
        receipt = Transformed(
            entity=self.entity.name,
            hour=hour_text(self.hour),
            attempt=attempt,
            committed_at=iso(resources.clock(self.hour)()),
            extracts=sorted(self.extracts),
            records=records,
            objects=done.objects,
        )
        log.info("transformed", extra=self.log_fields() | {"records": records, "rows": rows})
        return receipt
