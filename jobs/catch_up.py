"""What the runs before left undone, found by their receipts."""

from datetime import datetime, time, timedelta

from jobs import resources
from jobs.receipts import ReceiptTarget, ReceiptTask
from reddit_etl.errors import EtlError
from reddit_etl.receipt import (
    RECEIPT,
    Transformed,
    extract_parts,
    receipt_key,
    receipts_of,
    selection_of,
)

REACH = timedelta(hours=48)
ENTITY = ReceiptTask.entity.name

Work = tuple[datetime, tuple[str, ...]]
"""An hour, and the extracts of it to transform and load."""


def unfinished(hour: datetime) -> tuple[list[Work], list[EtlError]]:
    """The work left in the hours before: extracts that no transformation lists, transformations that are not loaded,
    or not published.

    The sandbox's are left to the sandbox, and Reddit's to Reddit. An hour whose receipts cannot be read is an error
    that comes with the rest: it must not keep this hour from being extracted.
    """
    work: list[Work] = []
    errors: list[EtlError] = []
    for then, (extracts, transforms, done) in sorted(_steps(hour - REACH, hour).items()):
        if transforms == done and selection_of(extracts) in done:
            continue
        try:
            transformed = {name: _extracts_of(then, name) for name in transforms}
        except EtlError as error:
            errors.append(error)
            continue
        work += [(then, transformed[name]) for name in sorted(transforms - done) if all(map(_ours, transformed[name]))]
        left = extracts.difference(*transformed.values())
        if left:
            work.append((then, tuple(sorted(left))))
    return work, errors


def _steps(begin: datetime, end: datetime) -> dict[datetime, tuple[set[str], set[str], set[str]]]:
    """By hour, the names of what was extracted and transformed, and of what nothing is left to do for."""
    ends = {"load": resources.warehouse_name()}
    if resources.settings().glue_database:
        ends["publish"] = resources.catalog_name()
    gone = resources.warehouse().is_gone()
    found: dict[datetime, dict[str, set[str]]] = {}
    for days in range((end.date() - begin.date()).days + 1):
        day = datetime.combine(begin.date() + timedelta(days=days), time.min)
        for key in resources.lake().keys(receipts_of(day)):
            match = RECEIPT.fullmatch(key)
            if not match or match["entity"] != ENTITY:
                continue
            then = day + timedelta(hours=int(match["hour"]))
            if not begin <= then < end:
                continue
            names = found.setdefault(then, {step: set() for step in ("extract", "transform", *ends)})
            step, name = match["step"], match["name"]
            if step == "transform" or (step == "extract" and _ours(name)):
                names[step].add(name)
            elif step in ends:
                selection, _, place = name.partition("-")
                if place == ends[step] and not (step == "load" and gone):
                    names[step].add(selection)
    return {
        then: (names["extract"], names["transform"], set.intersection(*(names[step] for step in ends)))
        for then, names in found.items()
    }


def _ours(extract: str) -> bool:
    parts = extract_parts(extract)
    return parts is not None and parts[3] == resources.settings().source


def _extracts_of(hour: datetime, selection: str) -> tuple[str, ...]:
    target = ReceiptTarget(receipt_key("transform", ENTITY, hour, selection), Transformed)
    return tuple(target.read().extracts)
