"""A short game of chaos; `python -m tests.chaos` plays longer ones."""

import pytest

from tests import commands
from tests.chaos import FAULTS, LAKE_FAULTS


@pytest.mark.slow
def test_whatever_happens_to_the_warehouse_file_it_ends_whole() -> None:
    """With this seed each fault happens."""
    done = commands.run("-m", "tests.chaos", "--hours", "8", "--first", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not whole: none" in done.stdout
    assert [fault.__name__ for fault in (*FAULTS, *LAKE_FAULTS) if f"'{fault.__name__}'" not in done.stdout] == []
