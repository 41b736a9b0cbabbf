"""Schedules, counted by hand for two years of 365 days from 2027 on: they begin on a Friday and end on a Saturday."""

import pytest

from batch import schedule
from reddit_etl.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "runs", "gap"),
    [
        ("rate(1 hour)", 730, 1),
        ("rate(2 hours)", 365, 2),
        ("rate(30 minutes)", 1460, 0.5),
        ("rate(1 day)", 365 / 12, 24),
        ("cron(5 * * * ? *)", 730, 1),
        ("cron(0/15 * * * ? *)", 4 * 730, 0.25),
        ("cron(*/20 * * * ? 2027-2030)", 3 * 730, 1 / 3),
        ("cron(0 6,18 * * ? *)", 2 * 365 / 12, 12),
        ("cron(30 8-11 * * ? *)", 4 * 365 / 12, 21),
        ("cron(0 0-23/6 * * ? *)", 4 * 365 / 12, 6),
        ("cron(0 6 ? * MON-FRI *)", 521 / 24, 72),
        ("cron(0 6 ? * 2-6 *)", 521 / 24, 72),
        ("cron(0 6 ? * mon,thu *)", 208 / 24, 96),
        ("cron(0 6 1 * ? *)", 1, 31 * 24),
        ("cron(0 6 1 JAN-MAR,12 ? *)", 4 / 12, 275 * 24),
    ],
)
def test_a_schedule_is_counted(text, runs, gap):
    found = schedule.parse(text)
    assert found.runs == pytest.approx(runs)
    assert found.gap == pytest.approx(gap)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hourly",
        "rate(0 hours)",
        "rate(1 week)",
        "cron(5 * * *)",
        "cron(x * * * ? *)",
        "cron(60 * * * ? *)",
        "cron(5 24 * * ? *)",
        "cron(5 4 0 * ? *)",
        "cron(5 4 30 2 ? *)",
        "cron(5 4 ? * FRI-MON *)",
        "cron(0/0 * * * ? *)",
        "cron(5 4 ? * 6L *)",
        "cron(5,, * * * ? *)",
        "cron(5 * * * ? x)",
        "cron(5 * * * * *)",
        "cron(5 * ? * ? *)",
        "cron(5 * 1 * MON *)",
        "cron(? * * * ? *)",
        "cron(1_0 * * * ? *)",
        "cron(+5 * * * ? *)",
        "cron(\u0663 * * * ? *)",
        "cron(0-99999999999 * * * ? *)",
        "cron(0/99999999999 * * * ? *)",
        "rate(2 hour)",
        "rate(1 hours)",
    ],
)
def test_another_schedule_is_an_error_that_shows_how(text):
    with pytest.raises(ConfigurationError, match=r"write it like rate\(1 hour\)"):
        schedule.parse(text)


@pytest.mark.parametrize(
    ("text", "hours"), [("cron(5 * * * ? *)", 3), ("rate(30 minutes)", 3), ("rate(1 day)", 26), ("rate(6 days)", 146)]
)
def test_the_alarm_rings_when_a_run_is_late(text, hours):
    assert schedule.parse(text).alarm_hours() == hours


def test_no_alarm_looks_back_further_than_a_week():
    with pytest.raises(ConfigurationError, match=r"leaves 168 hours between two runs"):
        schedule.parse("rate(7 days)").alarm_hours()
