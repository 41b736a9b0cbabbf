"""What a run of the Glue job says of itself, in the lake, and whether that can be believed.

A receipt is made from it and never changed, so a report that could not be loaded or published would hold up its hour
for ever: it is refused here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reddit_etl.errors import TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform.base import Folder, Merged, Parts, Rewritten, Transformation


def read_report(lake: Lake, manifest: Mapping[str, Any], ended: str) -> Transformation:
    """The report on this manifest's work; `ended` says of which run, in the error. Raises TransformError."""
    place, report = _report(lake, manifest, ended)
    try:
        done = Transformation(int(report["records"]), int(report["observations"]), _objects(report["objects"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TransformError(f"{place} cannot be read ({type(error).__name__})") from error
    _check_definition(place, report, manifest)
    for fault in _faults(done.objects, dict(lake.sizes(manifest["output"]))):
        raise TransformError(f"{place} {fault}")
    if done.observations > done.records:
        raise TransformError(f"{place} has {done.observations} observations of {done.records} records")
    return done


def read_rewriting(lake: Lake, manifest: Mapping[str, Any], folders: Sequence[Folder], ended: str) -> list[Rewritten]:
    """The folders that were written anew, by the report. Raises TransformError."""
    place, report = _report(lake, manifest, ended)
    try:
        done = [
            Rewritten(
                folders[int(one["folder"])],
                int(one["rows"]),
                _objects(one["objects"]),
                tuple(map(str, one["digests"])),
            )
            for one in report["rewritten"]
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise TransformError(f"{place} cannot be read ({type(error).__name__})") from error
    _check_definition(place, report, manifest)
    for one in done:
        for fault in _faults(one.objects, dict(lake.sizes(one.folder.to))):
            raise TransformError(f"{place} {fault}")
    return done


def read_merging(lake: Lake, manifest: Mapping[str, Any], parts: Sequence[Parts], ended: str) -> list[Merged]:
    """What became of all parts, in their order, by the report. Raises TransformError."""
    place, report = _report(lake, manifest, ended)
    try:
        done = [Merged(one, _objects(objects)) for one, objects in zip(parts, report["merged"], strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise TransformError(f"{place} cannot be read ({type(error).__name__})") from error
    _check_definition(place, report, manifest)
    for one in done:
        for fault in _faults(one.objects, dict(lake.sizes(one.parts.to))):
            raise TransformError(f"{place} {fault}")
        before, after = (sum(entry.rows for entry in entries) for entries in (one.parts.objects, one.objects))
        if not 0 < after <= before:
            raise TransformError(f"{place} has {after} rows of {before}")
    return done


def _report(lake: Lake, manifest: Mapping[str, Any], ended: str) -> tuple[str, dict[str, Any]]:
    """Where it is, for errors, and what it holds."""
    place = f"{ended}, but its report {lake.url}/{manifest['report']}"
    report = read_object(lake, manifest["report"])
    if report is None:
        raise TransformError(f"{place} is missing")
    return place, report


def _check_definition(place: str, report: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    if report.get("definition") != manifest["definition"]:
        raise TransformError(f"{place} is of another definition")


def _objects(entries: Sequence[Mapping[str, Any]]) -> tuple[DataObject, ...]:
    return tuple(DataObject(str(o["key"]), int(o["bytes"]), str(o["sha256"]), int(o["rows"])) for o in entries)


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


def _faults(objects: Sequence[DataObject], there: Mapping[str, int]) -> Iterator[str]:
    """What cannot be, where `there` are the keys and sizes of what is below the run's own output."""
    for entry in objects:
        if entry.key not in there:
            yield f"lists {entry.key}, which is not there"
        elif entry.bytes != there[entry.key]:
            yield f"lists {entry.key} with {entry.bytes} bytes, and it has {there[entry.key]}"
        elif entry.rows < 1:
            yield f"lists {entry.key} with {entry.rows} rows"
    if len({entry.key for entry in objects}) < len(objects):
        yield "lists an object twice"
    if len({entry.key.rpartition("/")[0] for entry in objects}) > 1:
        yield "lists objects of several folders"
