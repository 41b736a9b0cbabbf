"""The transformation as a task: the records of several extracts of one hour to Parquet."""

from jobs import resources
from jobs.extract import ExtractPosts
from jobs.parameters import NamesParameter
from jobs.receipts import ReceiptTask, log
from reddit_etl.clock import iso
from reddit_etl.errors import ConfigurationError, DamagedObjectError, LakeError, TransformError
from reddit_etl.lake.layout import RECEIPT, curated_prefix, hour_text, receipts_of, selection_of
from reddit_etl.lake.receipts import Transformed
from reddit_etl.sources.names import extract_parts


class TransformPosts(ReceiptTask[Transformed]):
    extracts: tuple[str, ...] = NamesParameter()

    priority = 20
    step = "transform"
    kind = Transformed

    @property
    def name(self) -> str:
        return selection_of(self.extracts)

    def requires(self) -> list[ExtractPosts]:
        tasks = []
        for name in self.extracts:
            parts = extract_parts(str(name))
            if not parts:
                raise ConfigurationError(f"--extracts: {name!r} is no extract's name: write it like python-new-1000")
            subreddit, listing, limit, source = parts
            if source != resources.settings().source:
                raise ConfigurationError(
                    f"--extracts: {name!r} is of {source}, and these settings read {resources.settings().source}: "
                    f"set Reddit's credentials for reddit, and none for sandbox"
                )
            tasks.append(ExtractPosts(hour=self.hour, subreddit=subreddit, listing=listing, limit=limit))
        return tasks

    def work(self, attempt: str) -> Transformed:
        extracts = [task.receipt.read() for task in self.requires()]
        records = sum(extracted.records for extracted in extracts)
        try:
            done = resources.transform()(
                entity=self.entity,
                lake=resources.lake(),
                inputs=[entry for extracted in extracts for entry in extracted.objects],
                prefix=curated_prefix(self.entity.name, self.hour, self.name, attempt),
            )
        except DamagedObjectError as error:
            receipts = ", ".join(self._receipts_on(error.key))
            raise LakeError(f"{error}: restore it, or give its rows up and remove {receipts}") from error
        rows = sum(entry.rows for entry in done.objects)
        if done.records != records or rows != done.observations or (records and not rows):
            raise TransformError(
                f"{records} records went in, {done.records} were read, of {done.observations} observations, "
                f"and {rows} rows came out"
            )
        receipt = Transformed(
            entity=self.entity.name,
            hour=hour_text(self.hour),
            attempt=attempt,
            committed_at=iso(resources.clock(self.hour)()),
            extracts=sorted(self.extracts),
            records=records,
            objects=done.objects,
            columns={column.name: column.type.sql for column in self.entity.curated},
        )
        log.info("transformed", extra=self.log_fields() | {"records": records, "rows": rows})
        return receipt

    def _receipts_on(self, raw_key: str) -> list[str]:
        """The receipts that say that the rows of a raw object are there."""
        keys = [
            task.receipt.key
            for task in self.requires()
            if raw_key in (entry.key for entry in task.receipt.read().objects)
        ]
        for key in resources.lake().keys(receipts_of(self.hour)):
            match = RECEIPT.fullmatch(key)
            if match and int(match["hour"]) == self.hour.hour and match["name"].partition("-")[0] == self.name:
                keys.append(key)
        return keys
