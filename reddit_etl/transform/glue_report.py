"""What a run of the Glue job says of itself, in the lake, and whether that can be believed.

A receipt is made from it and never changed, so a report that could not be loaded or published would hold up its hour
for ever: it is refused here.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reddit_etl.errors import TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform.base import Transformation


def read_report(lake: Lake, manifest: Mapping[str, Any], ended: str) -> Transformation:
    """The report on this manifest's work; `ended` says of which run, in the error. Raises TransformError."""
    place = f"{ended}, but its report {lake.url}/{manifest['report']}"
    report = read_object(lake, manifest["report"])
    if report is None:
        raise TransformError(f"{place} is missing")
    try:
        objects = tuple(
            DataObject(str(o["key"]), int(o["bytes"]), str(o["sha256"]), int(o["rows"])) for o in report["objects"]
        )
        done = Transformation(int(report["records"]), int(report["observations"]), objects)
    except (KeyError, TypeError, ValueError) as error:
        raise TransformError(f"{place} cannot be read ({type(error).__name__})") from error
    if report.get("definition") != manifest["definition"]:
        raise TransformError(f"{place} is of another definition")
    for fault in _faults(done, dict(lake.sizes(manifest["output"]))):
        raise TransformError(f"{place} {fault}")
    return done


def read_object(lake: Lake, key: str) -> dict[str, Any] | None:
    """A JSON object of the lake: None if there is none, empty if it is something else."""
    content = lake.read(key)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _faults(done: Transformation, there: Mapping[str, int]) -> Iterator[str]:
    """What cannot be, where `there` are the keys and sizes of what is below the run's own output."""
    for entry in done.objects:
        if entry.key not in there:
            yield f"lists {entry.key}, which is not there"
        elif entry.bytes != there[entry.key]:
            yield f"lists {entry.key} with {entry.bytes} bytes, and it has {there[entry.key]}"
        elif entry.rows < 1:
            yield f"lists {entry.key} with {entry.rows} rows"
    if len({entry.key for entry in done.objects}) < len(done.objects):
        yield "lists an object twice"
    if len({entry.key.rpartition("/")[0] for entry in done.objects}) > 1:
        yield "lists objects of several folders"
    if done.observations > done.records:
        yield f"has {done.observations} observations of {done.records} records"
