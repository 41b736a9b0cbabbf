import math

import pytest

from reddit_etl.entities import values

FEBRUARY = "2020-02-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (values.text, "", ""),
        (values.text, "naïve \u2028 🎉", "naïve \u2028 🎉"),
        (values.integer, 7, 7),
        (values.integer, -7122, -7122),
        (values.integer, 7.0, 7),
        (values.integer, "7", 7),
        (values.integer, "7.0", 7),
        (values.integer, 2**31 - 1, 2**31 - 1),
        (values.integer, -(2**31), -(2**31)),
        (values.bigint, 2**63 - 1, 2**63 - 1),
        (values.bigint, 2**53 + 1, 2**53 + 1),
        (values.bigint, str(2**53 + 1), 2**53 + 1),
        (values.bigint, -(2**63), -(2**63)),
        (values.double, 1, 1.0),
        (values.double, 0.97, 0.97),
        (values.double, "0.97", 0.97),
        (values.boolean, True, True),
        (values.boolean, False, False),
        (values.boolean, "True", True),
        (values.boolean, "false", False),
        (values.timestamp, 1580515200, FEBRUARY),
        (values.timestamp, 1580515200.0, FEBRUARY),
        (values.timestamp, "1580515200", FEBRUARY),
        (values.timestamp, "1580515200.0", FEBRUARY),
        (values.timestamp, 1580515200.25, "2020-02-01T00:00:00.250000Z"),
        (values.edited, False, None),
        (values.edited, True, None),
        (values.edited, "False", None),
        (values.edited, 1580515200.0, FEBRUARY),
        (values.edited, 1580515200, FEBRUARY),
        (values.edited, "1580515200", FEBRUARY),
        (values.author, "someone", "someone"),
        (values.author, "Name with! a.", "Name with! a."),
        (values.author, "[deleted]", None),
        (values.identifier, "abc123", "abc123"),
        (values.identifier, "t3_abc123", "abc123"),
        (values.presence, {"options": []}, True),
        (values.presence, True, True),
        (values.presence, {}, False),
        (values.presence, False, False),
        (values.presence, [], False),
    ],
)
def test_a_value_is_read_whatever_type_reddit_gave_it(read, value, expected):
    found = read(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (values.text, 7),
        (values.text, True),
        (values.text, ["a"]),
        (values.text, {"a": 1}),
        (values.integer, 7.5),
        (values.integer, "7.5"),
        (values.integer, 2**31),
        (values.integer, -(2**31) - 1),
        (values.integer, True),
        (values.integer, ""),
        (values.integer, "seven"),
        (values.integer, [7]),
        (values.integer, math.nan),
        (values.bigint, 2**63),
        (values.bigint, str(2**63)),
        (values.double, math.nan),
        (values.double, math.inf),
        (values.double, "nan"),
        (values.double, "1e999"),
        (values.double, 10**400),
        (values.double, "9" * 5000),
        (values.double, False),
        (values.double, {}),
        (values.boolean, 1),
        (values.boolean, 0.0),
        (values.boolean, "yes"),
        (values.boolean, []),
        (values.timestamp, 0),
        (values.timestamp, -1),
        (values.timestamp, 1580515200000),
        (values.timestamp, 1e300),
        (values.timestamp, "2020-02-01"),
        (values.timestamp, True),
        (values.edited, 0),
        (values.edited, "yesterday"),
        (values.edited, {}),
        (values.author, 7),
        (values.author, {"name": "someone"}),
        (values.identifier, ""),
        (values.identifier, "t3_"),
        (values.identifier, "../x"),
        (values.identifier, "abc\n"),
        (values.identifier, "ABC"),
        (values.identifier, "a" * 14),
        (values.identifier, "٣"),
        (values.identifier, 7),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_a_reason(read, value):
    with pytest.raises(ValueError, match=r"^(is|is not) "):
        read(value)
