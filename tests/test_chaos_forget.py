"""A short game in which content is taken back; `python -m tests.chaos_forget` plays longer ones."""

import pytest

from tests import commands


@pytest.mark.slow
def test_whatever_happens_meanwhile_no_byte_of_what_is_gone_is_left_and_all_else_is() -> None:
    done = commands.run("-m", "tests.chaos_forget", "--ticks", "3", "--first", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not whole: none" in done.stdout
    assert "'kills'" in done.stdout
    assert "'erased'" in done.stdout
