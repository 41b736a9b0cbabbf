"""The benchmarks work, and the page has a place for each table; the bounds of requests to S3 hold."""

import re

import pytest

from benchmarks.__main__ import README, SMALL, measured, written
from benchmarks.comparison import present
from benchmarks.s3_requests import bound, requests
from benchmarks.servers import reddit

pytestmark = pytest.mark.slow


def heads(markdown: str) -> list[str]:
    """The first lines of its tables."""
    return re.findall(r"^(\|.+\|)\n\|[-:|]+\|$", markdown, re.MULTILINE)


def test_a_table_replaces_the_one_of_its_name_alone() -> None:
    page = "a\n<!-- one: written by make bench -->\nold\n<!-- end of one -->\nb\n"
    assert written(page, "one", "new\n").split("\n\n") == [
        "a\n<!-- one: written by make bench -->", "new", "<!-- end of one -->\nb\n",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no markers of two"):
        written(page, "two", "new")


# Of `memory`, which takes longest, tests/test_memory.py runs the parts.
@pytest.mark.parametrize("name", sorted(SMALL.keys() - {"memory"}))
def test_a_small_form_has_the_table_that_the_page_shows(name: str) -> None:
    table = measured(name, small=True)
    [shown] = re.findall(f"<!-- {name}: written by make bench -->\n(.*?)<!-- end", README.read_text(), re.DOTALL)
    assert heads(table) == heads(shown)
    if name == "comparison":
        rows = re.findall(r"^\| (\S.*?) \| (\S.*?) \|", table, re.MULTILINE)
        assert rows[1:] == [(contender.name, contender.stores) for contender in present()]


def test_requests_to_s3_stay_within_their_bounds(s3_url: str) -> None:
    with reddit() as sandbox:
        found = requests(3, sandbox, s3_url)
    assert {run: number <= bound(run, 3) for run, number in found.items()} == dict.fromkeys(found, True)
    # Each listing's records and receipt are two.
    assert found["first hour"] > 6
