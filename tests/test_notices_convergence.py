"""However often and by however many runs an hour is read, its plan and its notices are the same, and they are true."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from reddit_etl.entities import POSTS
from reddit_etl.errors import RedditError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Extracted, Planned
from reddit_etl.sources.client import Observation
from reddit_etl.sources.look import Look
from reddit_etl.sources.refresh import Refresh
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.plan import plan
from tests.standins.loads import DuckDBLoads
from tests.standins.payloads import payload, post

FIRST = datetime.fromisoformat("2026-11-23T04:00")
HOURS = 4
SUBREDDITS = ("python", "rust")
IDS = {f"{subreddit[0]}{number}": subreddit for subreddit in SUBREDDITS for number in range(6)}
# Everything is due each hour.
LOOKS = Refresh(POSTS, (), 1, most_requests=10)


@dataclass(frozen=True)
class World:
    """What happens at Reddit, and to the runs of each hour."""

    deleted: dict[str, int]
    """By id the hour from which it is absent."""
    private: frozenset[tuple[str, int]]
    empty: frozenset[int]
    """Hours in which each answer is empty."""
    killed: frozenset[int]
    """Hours whose runs end before their extract's receipt."""

    def shows(self, post_id: str, hour: int) -> bool:
        is_there = hour < self.deleted.get(post_id, HOURS)
        return is_there and (IDS[post_id], hour) not in self.private and hour not in self.empty


hour_numbers = st.integers(1, HOURS - 1)
worlds = st.builds(
    World,
    # Not all of a subreddit: that would be as if it were private.
    deleted=st.dictionaries(st.sampled_from([name for name in IDS if name[1] != "0"]), hour_numbers, max_size=6),
    private=st.one_of(st.none(), st.tuples(st.sampled_from(SUBREDDITS), hour_numbers, hour_numbers)).map(
        lambda one: frozenset((one[0], hour) for hour in range(one[1], one[1] + one[2])) if one else frozenset()
    ),
    empty=st.frozensets(hour_numbers, max_size=1),
    killed=st.frozensets(hour_numbers, max_size=1),
)


@dataclass(frozen=True)
class Reddit:
    """The world in one hour, as the client shows it."""

    world: World
    hour: int

    def info(self, fullnames: Sequence[str]) -> Iterator[tuple[str, Observation]]:
        for name in fullnames:
            if self.world.shows(name[3:], self.hour):
                child = {"kind": "t3", "data": payload(name[3:])}
                yield name, Observation(child, FIRST + timedelta(hours=self.hour, minutes=30))


class Runs:
    """The runs of all hours; with `dice`, several of each hour side by side, with loads in any order and repeated."""

    def __init__(self, folder: Path, world: World, dice: random.Random | None) -> None:
        self._loads = DuckDBLoads(folder)
        self._world = world
        self._dice = dice
        self.plans: dict[int, list[Look]] = {}
        self.notices: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        """By hour the ids that are absent for the first time, and those that are gone."""
        self._load([*IDS], 0)
        for hour in range(1, HOURS):
            self._run(hour)

    def tables(self) -> list[list[tuple[object, ...]]]:
        return self._loads.everything()[:2]

    def _run(self, hour: int) -> None:
        runs = self._dice.randint(1, 3) if self._dice else 1
        plans = [self._planned(hour, f"run-{number}") for number in range(runs)]
        assert all(one.due == plans[0].due for one in plans)
        for one in plans:
            self._create(one, "plan")
        self.plans[hour] = list(map(Look.read, plans[0].due))
        read = [self._extracted(hour, one) for one in plans]
        assert all(replace(one, attempt="") == replace(read[0], attempt="") for one in read if one and read[0])
        for one in read:
            if one and hour not in self._world.killed:
                self._create(one, "extract")
                self.notices[hour] = frozenset(one.absent), frozenset(one.gone)
        if hour in self.notices:
            self._load([look.fullname[3:] for look in self.plans[hour]], hour)

    def _attempt(self, hour: int, name: str) -> Attempt:
        moment = FIRST + timedelta(hours=hour)
        return Attempt(self._loads.lake, POSTS, moment, name, lambda: moment + timedelta(minutes=30))

    def _planned(self, hour: int, name: str) -> Planned:
        moment = FIRST + timedelta(hours=hour)
        past = Receipts(self._loads.lake, moment - timedelta(hours=48), moment - timedelta(hours=1))
        return plan(self._attempt(hour, name), LOOKS, source="sandbox", warehouse=self._loads.warehouse, past=past)

    def _extracted(self, hour: int, made: Planned) -> Extracted | None:
        looks = LOOKS.planned(made.due, missed=0, waiting=0, most_requests=10, notice_share=5)
        try:
            list(looks.observations(Reddit(self._world, hour)))  # type: ignore[arg-type]
        except RedditError:
            return None
        header = self._attempt(hour, made.attempt).header()
        counts = {"requests": 1, "records": 0, "rejects": 0}
        return Extracted(**header, **looks.facts(), **counts, source="sandbox", verdict="ok", objects=(), rejected=())

    def _create(self, receipt: Planned | Extracted, step: str) -> None:
        hour = datetime.fromisoformat(f"{receipt.hour}:00")
        self._loads.lake.create(receipt_key(step, "posts", hour, f"sandbox.{LOOKS.name}"), receipt.to_json())

    def _load(self, ids: Sequence[str], hour: int) -> None:
        moment = FIRST + timedelta(hours=hour, minutes=30)
        old = FIRST - timedelta(days=30)
        rows = [
            post(name, seen=moment, subreddit=IDS[name], author="someone", created_at=old)
            for name in ids
            if self._world.shows(name, hour)
        ]
        parts = [("a", rows[::2]), ("b", rows[1::2])]
        if self._dice:
            parts = self._dice.sample([*parts, parts[0]], 3)
        for name, part in parts:
            written = f"{FIRST + timedelta(hours=hour):%Y-%m-%dT%H}"
            self._loads.load(*part, load_id=f"posts/{written}/{name}/run", hour=written)


@given(world=worlds, seed=st.integers(0, 1000))
@settings(max_examples=4, deadline=None)
def test_plans_and_notices_do_not_depend_on_how_often_an_hour_was_run(world: World, seed: int) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        once = Runs(Path(one), world, None)
        repeated = Runs(Path(other), world, random.Random(seed))
        assert once.plans == repeated.plans
        assert once.notices == repeated.notices
        assert once.tables() == repeated.tables()


@given(world=worlds)
@settings(max_examples=8, deadline=None)
def test_what_is_gone_was_deleted_and_what_was_deleted_is_gone_within_an_hour(world: World) -> None:
    with TemporaryDirectory() as folder:
        runs = Runs(Path(folder), world, None)
    for hour, (_, gone) in runs.notices.items():
        for name in gone:
            assert world.deleted[name[3:]] <= hour
            assert (IDS[name[3:]], hour) not in world.private
            assert any(name in runs.notices[before][0] for before in range(1, hour) if before in runs.notices)
    for post_id, begin in world.deleted.items():
        for hour in range(begin + 1, HOURS):
            both = {hour - 1, hour}
            if both <= runs.notices.keys() and not {(IDS[post_id], one) for one in both} & world.private:
                assert any(f"t3_{post_id}" in runs.notices[one][1] for one in both)
