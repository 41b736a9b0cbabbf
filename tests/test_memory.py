"""The bounds of memory that the pipeline promises, measured as in benchmarks/; Reddit and AWS run apart."""

import pytest

from benchmarks.age import FILE, ages
from benchmarks.aws import LUIGI_PROCESS, whole_graph
from benchmarks.memory import EXTRACTION_GROWTH, HOURS, TREE_GROWTH, WHOLE_JOB, extraction, sandbox, tree, whole_job
from benchmarks.posts import connect
from benchmarks.volume import hours
from reddit_etl.warehouse.duckdb import PORTION

pytestmark = pytest.mark.slow


def test_the_extraction_holds_no_more_of_thirty_listings_than_of_three():
    with sandbox() as url:
        three, thirty = (extraction(url, posts).peak for posts in (3_000, 30_000))
    assert thirty - three <= EXTRACTION_GROWTH


def test_a_tree_of_fifty_thousand_comments_is_never_held_whole():
    with sandbox() as url:
        start, usage = tree(url)
    assert usage.peak - start.peak < TREE_GROWTH


def test_the_whole_job_stays_within_a_small_container():
    """With 100,000 rows: 50,000 posts and, as luigi.cfg lists them too, as many comments."""
    with sandbox() as url:
        peaks = [usage.peak for usage in whole_job(url, 50_000)]
    assert max(peaks) < WHOLE_JOB


def test_an_hour_that_is_loaded_in_portions_stays_within_it_too():
    """`python -m benchmarks.volume` measures 5,000,000 posts."""
    with connect() as connection:
        peaks = [usage.peak for usage in hours(connection, PORTION + 10_000)]
    assert max(peaks) < WHOLE_JOB


def test_the_warehouse_s_file_holds_little_beside_its_rows():
    """`python -m benchmarks.age` measures one of 5,000,000 posts, and times the loads.

    In a file of one or two row groups, of 17 MB each, the space that a replaced group leaves free counts for more.
    """
    old = ages(100_000, 3, 4)
    assert old.file < FILE * old.fresh


def test_the_job_on_the_engines_of_aws_is_smaller_still():
    """The process holds no rows, so fewer show it; `python -m benchmarks.aws` measures 100,000 posts."""
    [usage] = whole_graph(10_000, HOURS[:1])
    assert usage.peak < LUIGI_PROCESS
