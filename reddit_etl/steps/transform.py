"""The transformation of several extracts of one hour: takes records, writes Parquet objects, checks the counts."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from reddit_etl.errors import DamagedObjectError, LakeError, TransformError
from reddit_etl.lake import successors
from reddit_etl.lake.index import ReceiptKey
from reddit_etl.lake.layout import curated_prefix, expiry_key, receipts_of, selection_of
from reddit_etl.lake.receipts import DataObject, Extracted, Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.transform.base import Transformation, TransformEngine


def transform(attempt: Attempt, engine: TransformEngine, extracts: Mapping[str, Extracted]) -> Transformed:
    """Write each observation of the extracts once; `extracts` are their receipts by name.

    Raises TransformError, also if the counts do not match, and LakeError if a raw object is missing or damaged.
    """
    inputs = _standing(attempt, extracts, attempt.may_be)
    while True:
        try:
            done = engine(
                entity=attempt.entity,
                lake=attempt.lake,
                inputs=inputs,
                prefix=curated_prefix(attempt.entity.name, attempt.hour, selection_of(extracts), attempt.name),
            )
            break
        except DamagedObjectError as error:
            # It may have been replaced, and removed, while the engine was at work.
            before, inputs = inputs, _standing(attempt, extracts, lambda _: True)
            if inputs == before:
                receipts = ", ".join(_receipts_on(error.key, attempt, extracts))
                if attempt.lake.read(expiry_key(error.key)) is not None:
                    what = f"{error}: the records of its day are older than RAW_DAYS and were removed"
                    raise LakeError(f"{what}: give up its rows and remove {receipts}") from error
                raise LakeError(f"{error}: restore it, or give up its rows and remove {receipts}") from error
    records = sum(entry.rows for entry in inputs)
    _check_counts(records, done)
    return Transformed(
        **attempt.header(),
        extracts=sorted(extracts),
        records=records,
        objects=done.objects,
        summaries={name: extracted.summary for name, extracted in sorted(extracts.items())},
        columns={column.name: column.type.sql for column in attempt.entity.curated},
    )


def _standing(attempt: Attempt, extracts: Mapping[str, Extracted], may_be: successors.Filter) -> list[DataObject]:
    objects = [entry for one in extracts.values() for entry in one.objects]
    return successors.standing(attempt.lake, objects, may_be=may_be)


def _check_counts(records: int, done: Transformation) -> None:
    rows = sum(entry.rows for entry in done.objects)
    if done.records != records or rows != done.observations or (records and not rows):
        raise TransformError(
            f"row counts do not match: {records} records in the receipts, {done.records} read, "
            f"{done.observations} observations, {rows} rows written"
        )


def _receipts_on(raw_key: str, attempt: Attempt, extracts: Mapping[str, Extracted]) -> Sequence[str]:
    """The keys of the receipts that depend on a raw object."""
    entity, hour = attempt.entity.name, attempt.hour
    names = {name for name, extracted in extracts.items() if raw_key in (entry.key for entry in extracted.objects)}
    # The object has the name of the extract that read it, which may be that of another entity.
    names.add(PurePosixPath(raw_key).name.removesuffix(".jsonl.gz"))
    return [
        attempt.lake.place(found.key)
        for found in map(ReceiptKey.parse, attempt.lake.keys(receipts_of(hour)))
        if found and found.hour == hour
        if (found.step == "extract" and found.name in names)
        or (found.entity == entity and found.name.partition("-")[0] == selection_of(extracts))
    ]
