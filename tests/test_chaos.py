"""A short game of chaos; `python -m tests.chaos` plays longer ones."""

import subprocess
import sys

import pytest

from tests import PROJECT


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_to_the_warehouse_file_it_ends_whole(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--hours", "8", "--seeds", "1", "--first", str(seed)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not whole: none" in done.stdout
