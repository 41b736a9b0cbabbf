"""Bodies are decoded as Python's `json` decodes them, whatever is in them."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reddit_etl.sources.requestor import decoded
from tests.standins.payloads import any_json

ODD = [
    b"NaN",
    b'{"a": -Infinity}',
    b"1E400",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1" + b"0" * 400,
    b"9" * 5000,
    b"-0",
    b"-0.0",
    b"9007199254740993.0",
    b"01",
    b'"\\ud83d"',
    b'"\\ude00\\ud83d"',
    b'"\\ud83d\\ude00"',
    b'"\xff"',
    b'"\xed\xa0\xbd"',
    b'"a\x01b"',
    b'"\\u0000"',
    b'{"a": 1, "b": 2, "a": [3]}',
    b"[" * 500 + b"]" * 500,
    b"[" * 200_000 + b"]" * 200_000,
    b"\xef\xbb\xbf{}",
    b"{} x",
    b"[1,]",
    b"",
    '{"a": 1}'.encode("utf-16"),
]


def by_json(body: bytes) -> object:
    return json.loads(body.decode(errors="replace"))


def outcome(decode: Callable[[bytes], object], body: bytes) -> object:
    """As text, for NaN differs from itself and 1 is equal to 1.0 and to true."""
    try:
        return repr(decode(body))
    except (ValueError, RecursionError) as error:
        return type(error)


@pytest.mark.parametrize("body", ODD, ids=lambda body: ascii(body[:20]))
def test_odd_json_is_what_python_makes_of_it(body: bytes) -> None:
    assert outcome(decoded, body) == outcome(by_json, body)


@settings(max_examples=300, deadline=None)
@given(any_json, st.booleans())
def test_any_json_is_what_python_makes_of_it(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    assert outcome(decoded, body) == outcome(by_json, body)
