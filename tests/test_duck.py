import subprocess
import sys

import duckdb
import pytest

from reddit_etl import duck


@pytest.mark.parametrize(
    "name", ["plain", "a*b", "**", "a?b", "[ab]", "a[b", "a{b,c}", "it's", "score=9", "a b", "ünï"]
)
def test_a_pattern_made_of_a_path_matches_that_file_alone(tmp_path, name):
    for file in {name, "aXb", "a", "ab", "a{b,c}", "score=8"}:
        (tmp_path / file).write_text(file)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT content FROM read_text(?)", [duck.exactly(tmp_path / name)]).fetchall()
    assert found == [(name,)]


def test_it_keeps_within_its_memory_and_spills_where_it_is_told(tmp_path):
    with duck.connect(scratch=tmp_path / "scratch") as connection:
        settings = dict(
            connection.execute(
                "SELECT name, value FROM duckdb_settings() WHERE name IN ('memory_limit', 'threads', 'temp_directory')"
            ).fetchall()
        )
    assert settings == {"memory_limit": "122.0 MiB", "threads": "1", "temp_directory": str(tmp_path / "scratch")}


# A signal comes once the endless query has used some CPU time, as SIGTERM may come to the pipeline.
INTERRUPTED = """
import signal, sys
from pathlib import Path
from reddit_etl import duck

class Stopped(KeyboardInterrupt):
    pass

def stop(*_):
    raise Stopped

signal.signal(signal.SIGVTALRM, stop)
with duck.connect(scratch=Path(sys.argv[1])) as connection:
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.2)
    try:
        with duck.interruptible():
            connection.execute("SELECT sum(a.range * b.range % 7) FROM range(1000000000) AS a, range(1000000000) AS b")
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_a_signal_during_a_query_is_an_interrupt_and_no_failure_of_the_query(tmp_path):
    # As a file: where there is none, DuckDB takes Python to be interactive and shows its progress after two seconds.
    program = tmp_path / "interrupted.py"
    program.write_text(INTERRUPTED)
    done = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0)


def test_another_runtime_error_stays_what_it_is():
    with pytest.raises(RuntimeError, match="something else"), duck.interruptible():
        raise RuntimeError("something else")


@pytest.mark.parametrize("file", [None, "warehouse.duckdb"])
def test_a_long_query_draws_no_progress_bar_on_standard_output(tmp_path, file):
    with duck.connect(file and tmp_path / file, scratch=tmp_path) as connection:
        assert connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]
