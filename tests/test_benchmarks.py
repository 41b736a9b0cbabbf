"""The benchmarks work, and the page has a place for each table; the bounds of requests to S3 hold."""

import re

import pytest

from benchmarks.__main__ import README, measured, written
from benchmarks.comparison import present
from benchmarks.s3_requests import RUNS
from tests import NO_LOOKS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _with_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make bench` measures it: with the defaults."""
    for name in NO_LOOKS:
        monkeypatch.delenv(name)


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


def shown(name: str) -> str:
    """The table of a small form, which has the head that it has in the page."""
    table = measured(name, small=True)
    [page] = re.findall(f"<!-- {name}: written by make bench -->\n(.*?)<!-- end", README.read_text(), re.DOTALL)
    assert heads(table) == heads(page) != []
    return table


# Of `memory`, which takes longest, tests/test_memory.py runs the parts.
@pytest.mark.parametrize("name", ["aws", "age", "start", "container", "transformation", "year"])
def test_a_small_form_has_the_table_of_the_page(name: str) -> None:
    assert shown(name)


def test_the_comparison_has_a_row_for_each_pipeline() -> None:
    rows = re.findall(r"^\| (\S.*?) \| (\S.*?) \|", shown("comparison"), re.MULTILINE)
    assert rows[1:] == [(contender.name, contender.stores) for contender in present()]


def test_requests_to_s3_stay_within_their_bounds() -> None:
    rows = re.findall(r"^\| (\w.+?) \| 6 \| (\d+) \| (\d+) \|$", shown("s3_requests"), re.MULTILINE)
    assert [run for run, *_ in rows] == list(RUNS)
    assert all(0 < int(sent) <= int(bound) for _, sent, bound in rows), rows
