"""Which trees are due, asked of each warehouse."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest

from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS
from reddit_etl.errors import LakeError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Extracted, Planned
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.plan import plan
from tests.standins.loads import Loads
from tests.standins.payloads import post as curated

HOUR = datetime.fromisoformat("2026-11-23T04:00")
DAY = timedelta(hours=24)
TREES = Trees((24,), most_requests=10)
NAME = "tree-024h"


def post(name: str, created: datetime, *, seen: datetime | None = None, **fields: object) -> dict[str, object]:
    return curated(name, seen=seen or created + timedelta(minutes=30), created_at=created, **fields)


def load(loads: Loads, hour: datetime, *posts: dict[str, object]) -> None:
    loads.load(*posts, load_id=f"posts/{hour:%Y-%m-%dT%H}/a/b", hour=f"{hour:%Y-%m-%dT%H}")


def planned(loads: Loads, hour: datetime, trees: Trees = TREES) -> Planned:
    """The plan of an hour, made at half past, and put into the lake."""
    made = plan(
        Attempt(loads.lake, COMMENTS, hour, "an-attempt", lambda: hour + timedelta(minutes=30)),
        trees,
        source="sandbox",
        warehouse=loads.warehouse,
        past=Receipts(loads.lake, hour - 2 * DAY, hour - timedelta(hours=1)),
    )
    assert loads.lake.create(receipt_key("plan", "comments", hour, f"sandbox.{trees.name}"), made.to_json())
    return made


def extracted(loads: Loads, hour: datetime, left: Sequence[Due] = ()) -> None:
    """The receipt of an extract that left these."""
    header = Attempt(loads.lake, COMMENTS, hour, "an-attempt", lambda: hour).header()
    receipt = Extracted(
        **header,
        source="sandbox",
        verdict="ok",
        requests=1,
        records=0,
        rejects=0,
        objects=(),
        rejected=(),
        left=[asdict(due) for due in left],
    )
    assert loads.lake.create(receipt_key("extract", "comments", hour, f"sandbox.{NAME}"), receipt.to_json())


def due(made: Planned) -> list[str]:
    return [one["post_id"] for one in made.due]


def test_an_empty_warehouse_has_nothing_due(loads: Loads) -> None:
    assert due(planned(loads, HOUR)) == []


def test_at_first_all_that_is_old_enough_and_not_too_old_is_due(loads: Loads) -> None:
    moment = HOUR + timedelta(minutes=30)
    begin = moment - 1.5 * DAY
    load(
        loads,
        HOUR - DAY,
        post("toolate", begin),
        post("late", begin + timedelta(seconds=1)),
        post("intime", moment - DAY),
        post("young", moment - DAY + timedelta(seconds=1)),
        post("silent", moment - DAY, num_comments=0),
    )
    assert due(planned(loads, HOUR)) == ["late", "intime"]


def test_an_hour_later_only_what_has_come_of_age_since_is_due(loads: Loads) -> None:
    begin = HOUR - DAY
    posts = [post(f"p{minutes}", begin + timedelta(minutes=minutes)) for minutes in (0, 30, 31, 90, 91)]
    load(loads, HOUR - DAY, *posts)
    assert due(planned(loads, HOUR)) == ["p0", "p30"]
    extracted(loads, HOUR)
    assert due(planned(loads, HOUR + timedelta(hours=1))) == ["p31", "p90"]


def test_what_was_loaded_late_is_due_though_it_came_of_age_before(loads: Loads) -> None:
    planned(loads, HOUR)
    extracted(loads, HOUR)
    # The warehouse was unavailable for the hour in which the post was seen.
    seen = HOUR - 0.5 * DAY
    load(loads, seen, post("late", HOUR - 1.2 * DAY, seen=seen), post("older", HOUR - 1.6 * DAY, seen=seen))
    assert due(planned(loads, HOUR + timedelta(hours=1))) == ["late"]
    extracted(loads, HOUR + timedelta(hours=1))
    assert due(planned(loads, HOUR + timedelta(hours=2))) == []


def test_what_an_hour_left_is_due_again_until_it_is_missed(loads: Loads) -> None:
    planned(loads, HOUR)
    stubs = Due("begun", 24, iso(HOUR - DAY), stubs=("c1", "c2"), threads=("c3",))
    extracted(loads, HOUR, [stubs, Due("old", 24, iso(HOUR - 1.5 * DAY))])
    made = planned(loads, HOUR + timedelta(hours=1))
    assert [Due.read(one) for one in made.due] == [stubs]
    assert made.missed == 1


def test_what_has_failed_is_due_after_all_others(loads: Loads) -> None:
    planned(loads, HOUR)
    extracted(loads, HOUR, [Due("broken", 24, iso(HOUR - 1.2 * DAY), failed=True), Due("a", 24, iso(HOUR - DAY))])
    assert due(planned(loads, HOUR + timedelta(hours=1))) == ["a", "broken"]


def test_the_plan_of_an_hour_that_was_not_read_is_taken_over(loads: Loads) -> None:
    load(loads, HOUR - DAY, post("a", HOUR - DAY))
    assert due(planned(loads, HOUR)) == ["a"]
    # Killed before the receipt of its extract.
    assert due(planned(loads, HOUR + timedelta(hours=1))) == ["a"]


def test_each_age_has_its_turn(loads: Loads) -> None:
    trees = Trees((24, 168), most_requests=10)
    load(loads, HOUR - 7 * DAY, post("week", HOUR - 7 * DAY), post("day", HOUR - DAY))
    assert [(one["post_id"], one["age"]) for one in planned(loads, HOUR, trees).due] == [("week", 168), ("day", 24)]


def test_reddit_s_posts_are_no_business_of_the_sandbox(loads: Loads) -> None:
    load(loads, HOUR - DAY, post("a", HOUR - DAY, source="reddit"))
    assert due(planned(loads, HOUR)) == []


def test_of_hourly_runs_none_comes_too_late_for_a_short_age(loads: Loads) -> None:
    trees, hour = Trees((1,), most_requests=10), timedelta(hours=1)
    # Seen within half an hour each, and loaded after the plan of the hour.
    begin, minutes = HOUR - 1.5 * hour, (5, 25, 45)
    load(loads, HOUR - hour, *(post(f"p{after}", begin + timedelta(minutes=after)) for after in minutes))
    assert due(planned(loads, HOUR, trees)) == ["p5", "p25", "p45"]


def test_a_daily_schedule_reads_what_came_of_age_since_the_day_before(loads: Loads) -> None:
    planned(loads, HOUR)
    extracted(loads, HOUR)
    load(loads, HOUR - 0.9 * DAY, post("a", HOUR - 0.9 * DAY), post("b", HOUR - 0.1 * DAY))
    made = planned(loads, HOUR + DAY)
    assert (due(made), made.missed) == (["a", "b"], 0)
    # Once more, should the run fail; then it is too late.
    again = planned(loads, HOUR + 2 * DAY)
    assert (due(again), again.missed) == (["b"], 1)


def test_what_a_plan_has_no_room_for_is_in_the_next_ones_each_once(loads: Loads) -> None:
    """Many at one moment, and more that are loaded late while some are waiting."""
    trees, begin, hour = Trees((24,), most_requests=4), HOUR + timedelta(minutes=30) - DAY, timedelta(hours=1)
    old = begin - timedelta(hours=11, minutes=30)
    load(loads, HOUR - DAY, *(post(f"a{number}", begin) for number in range(6)))
    load(loads, HOUR - 2 * DAY, *(post(f"b{number}", old) for number in range(5)))
    made = planned(loads, HOUR, trees)
    assert (due(made), made.waiting, made.missed) == (["b0", "b1", "b2", "b3"], 7, 0)
    extracted(loads, HOUR)
    seen = HOUR - 0.5 * DAY
    load(loads, seen, post("late", old - timedelta(minutes=15), seen=seen), post("c", begin + hour))
    made = planned(loads, HOUR + hour, trees)
    assert (due(made), made.waiting, made.missed) == (["b4", "a0", "a1", "a2"], 5, 0)
    extracted(loads, HOUR + hour, [Due("a0", 24, iso(begin))])
    # By now it is too late for what was loaded late.
    made = planned(loads, HOUR + 2 * hour, trees)
    assert (due(made), made.waiting, made.missed) == (["a0", "a3", "a4", "a5"], 1, 1)
    extracted(loads, HOUR + 2 * hour)
    made = planned(loads, HOUR + 3 * hour, trees)
    assert (due(made), made.waiting, made.missed, made.rest) == (["c"], 0, 0, [])


def test_what_is_loaded_late_among_those_that_wait_takes_the_place_of_none(loads: Loads) -> None:
    trees, hour, minute = Trees((24,), most_requests=5), timedelta(hours=1), timedelta(minutes=1)
    begin = HOUR - 1.2 * DAY
    names = [f"p{number}" for number in range(10)]
    load(loads, HOUR - DAY, *(post(name, begin + number * 10 * minute) for number, name in enumerate(names)))
    made = [planned(loads, HOUR, trees)]
    assert (due(made[0]), made[0].waiting) == (names[:5], 5)
    extracted(loads, HOUR)
    late, seen = [f"late{number}" for number in range(5)], HOUR - 0.5 * DAY
    between = begin + 41 * minute
    load(loads, seen, *(post(name, between + number * minute, seen=seen) for number, name in enumerate(late)))
    for after in (1, 2, 3):
        made.append(planned(loads, HOUR + after * hour, trees))
        extracted(loads, HOUR + after * hour)
    assert {name for one in made for name in due(one)} == {*names, *late}
    assert [one.missed for one in made] == [0, 0, 0, 0]
    assert (made[-1].waiting, made[-1].rest) == (0, [])


@pytest.mark.parametrize("step", ["plan", "extract"])
def test_a_damaged_receipt_of_an_earlier_hour_is_named(loads: Loads, step: str) -> None:
    key = receipt_key(step, "comments", HOUR, f"sandbox.{NAME}")
    if step == "extract":
        planned(loads, HOUR)
    assert loads.lake.create(key, b"{")
    with pytest.raises(LakeError, match=f"{key}.*remove it"):
        planned(loads, HOUR + timedelta(hours=1))
