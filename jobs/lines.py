"""Rows as CSV and as JSON, written as they come; read back, they equal the rows."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from jobs.output import Output
from reddit_etl.warehouse.base import Answer

QUOTED = re.compile('[",\r\n]|^$')


def write_csv(answer: Answer, output: Output) -> int:
    """With a header, in UTF-8; gives the number of rows.

    NULL is an empty field and an empty text is `""`, as PostgreSQL and Redshift read and write it; Python's own `csv`
    makes one of both before 3.12. Times are like `2026-11-23 04:17:00.123456`, flags `true` and `false`.
    """
    output.write((",".join(map(_field, answer.names)) + "\n").encode())
    number = 0
    for row in answer.rows:
        output.write((",".join(map(_field, row)) + "\n").encode())
        number += 1
    return number


def write_json(answer: Answer, output: Output) -> int:
    """An array with an object for each row, one on each line; gives the number of rows.

    Times are like `2026-11-23T04:17:00.123456`. Of columns with the same name, the later ones get a number behind it.
    """
    names = distinct(answer.names)
    encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
    number = 0
    for row in answer.rows:
        output.write((b",\n" if number else b"[\n") + encode(dict(zip(names, row, strict=True))))
        number += 1
    output.write(b"\n]\n" if number else b"[]\n")
    return number


def distinct(names: Sequence[str]) -> list[str]:
    """The names, with `_1`, `_2`, … behind those that occurred before."""
    found: dict[str, None] = {}
    for name in names:
        found[next(free for free in _numbered(name) if free not in found)] = None
    return list(found)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}_{number}"
        number += 1


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    # Lists and structs have no form of their own in CSV.
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text
