"""Forgetting as a task: what was taken back on Reddit, or what a person asks for, leaves every store."""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import luigi

from jobs import progress, resources
from jobs.parameters import HourParameter, NamesParameter
from jobs.task import LakeTask, ReceiptTarget, log
from reddit_etl.clock import hour_of, iso, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.lake import tombstones
from reddit_etl.lake.layout import hour_text, receipt_key
from reddit_etl.lake.receipts import Forgotten
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.steps.attempt import new_name
from reddit_etl.steps.forget import Stores, forget, plan
from reddit_etl.steps.prove import prove, stored
from reddit_etl.warehouse.tables import SCHEMA

NOTICED = "noticed"
REQUEST = "request-"
"""How the name of a person's request begins."""
ID = re.compile(r"[0-9a-z]{1,16}")


class Forget(LakeTask):
    """Removes from all stores what the tombstones under its hour and name take."""

    hour: datetime = HourParameter()
    name: str = luigi.Parameter(default=NOTICED, description="which tombstones")

    # Before all other maintenance, since it has a deadline.
    priority = 2

    @cached_property
    def receipt(self) -> ReceiptTarget[Forgotten]:
        """The target. Each warehouse is worked through on its own, and the lake with it."""
        name = f"{self.name}-{resources.warehouse_name()}"
        return ReceiptTarget(self.hour, receipt_key("forget", "all", self.hour, name), Forgotten)

    def output(self) -> ReceiptTarget[Forgotten]:
        """The receipt."""
        return self.receipt

    def run(self) -> None:
        """Forget, and commit the receipt, unless another run has committed one."""
        clock = resources.clock(self.hour)
        if self.name == NOTICED:
            plan(stores(), self.hour, self.name, clock=clock, with_removed=resources.settings().forget_removed)
        receipt = forget(stores(), self.hour, self.name, clock=clock)
        if not self.receipt.commit(receipt):
            log.info("another run of this task was first; its receipt counts", extra=self.log_fields())
        counts = {zone: counts["replaced"] for zone, counts in receipt.lake.items()}
        counts = {"tombstones": receipt.tombstones, "removed": receipt.warehouse.get("removed", 0)} | counts
        log.info("forgotten", extra=self.log_fields() | counts)

    def __repr__(self) -> str:
        return f"Forget({hour_text(self.hour)}, {self.name})"

    def log_fields(self) -> dict[str, object]:
        """The fields that identify the task in log lines."""
        return {"hour": hour_text(self.hour), "of": self.name}


def stores() -> Stores:
    """Those of the settings. Raises ConfigurationError."""
    return Stores(resources.lake(), resources.transform(), resources.catalog(), resources.warehouse())


@dataclass(frozen=True)
class Request:
    """A person's request, carried out. Names are those of Reddit's API."""

    receipt: Forgotten
    names: Sequence[str]
    unknown: AbstractSet[str]
    """The names of which the warehouse had no row."""
    earlier: AbstractSet[str]
    """The names that were requested before."""

    def remarks(self) -> Iterator[str]:
        """A line for each name that was not stored, or that was requested before."""
        counts = [self.receipt.warehouse.get(count, 0) for count in ("removed", "cleared")]
        counts += [zone["replaced"] for zone in self.receipt.lake.values()]
        # Which of the names an object held is not recorded.
        unknown = "not found in the warehouse" if any(counts) else "not found in any store"
        for name in self.names:
            said = (["requested before"] if name in self.earlier else []) + ([unknown] if name in self.unknown else [])
            if said:
                yield f"{name}: {', and '.join(said)}; the request is recorded, and applies to late loads too"


def requested(names: Sequence[str], moment: datetime) -> list[Tombstone]:
    """Tombstones by the names of posts and comments, such as t3_abc. Raises ConfigurationError for another form."""
    kinds = {entity.kind: entity.name for entity in ENTITIES.values()}
    found = []
    for name in dict.fromkeys(names):
        kind, _, id_ = name.partition("_")
        if kind not in kinds or not ID.fullmatch(id_):
            raise ConfigurationError(f"{name!r} is not a name of a post or a comment: use t3_abc or t1_abc")
        found.append(Tombstone(kinds[kind], id_, Kind.REQUEST, iso(moment)))
    if not found:
        raise ConfigurationError('--names: use a JSON list of at least one name, such as ["t3_abc"]')
    return found


def _name(entity: str, id_: str) -> str:
    return f"{ENTITIES[entity].kind}_{id_}"


class ForgetRequest(luigi.Task):
    """Forgets posts and comments by their names at once, where only Luigi's command line can be used."""

    names: tuple[str, ...] = NamesParameter(
        flag="--names", example='["t3_abc", "t1_xyz"]', description='JSON list, such as ["t3_abc", "t1_xyz"]'
    )

    is_done = False

    def complete(self) -> bool:
        """Whether this process has done it."""
        return self.is_done

    def run(self) -> None:
        """Forget them; the receipt is in the lake."""
        for remark in by_request(self.names).remarks():
            log.warning(remark)
        self.is_done = True


def by_request(names: Sequence[str]) -> Request:
    """Forget posts and comments at once. Raises EtlError."""
    hour = hour_of(utc_now())
    clock = resources.clock(hour)
    # The names are checked before any store is.
    requested(names, clock())
    _check_stores()
    lake = resources.lake()
    # Names that were requested before get new tombstones: they may have been observed since.
    ones = requested(names, max([clock(), *_newest()]))
    asked = {_name(one.entity, one.id) for one in ones}
    unknown = asked - {_name(*row) for row in stored(resources.warehouse(), ones)}
    earlier = asked & {_name(one.entity, one.id) for one in _earlier()}
    task = Forget(hour=hour, name=f"{REQUEST}{new_name(clock)}")
    tombstones.put(lake, hour, task.name, ones)
    try:
        task.run()
    except WarehouseError as error:
        done = "the request is recorded and the lake is done: repeat the command, or the next Maintenance finishes it"
        raise WarehouseError(f"{error}; {done}") from error
    return Request(task.receipt.read(), list(dict.fromkeys(names)), unknown, earlier)


def _earlier() -> Iterator[Tombstone]:
    """Those of all requests. Raises LakeError."""
    for key in tombstones.keys(resources.lake()):
        if key.rpartition("/")[2].startswith(REQUEST):
            yield from tombstones.read(resources.lake(), key)


def still_there(names: Sequence[str]) -> dict[str, list[str]]:
    """By name, the objects and tables that hold it. Raises EtlError."""
    ones = requested(names, datetime(9999, 1, 1))  # noqa: DTZ001
    _check_stores()
    found: dict[str, list[str]] = {name: [] for name in names}
    progress.CURRENT.expect(None, "objects")
    for one, place in prove(resources.lake(), resources.warehouse(), ones, progress=progress.CURRENT.add):
        found[_name(one.entity, one.id)].append(place)
    return found


def never_named(names: Iterable[str]) -> set[str]:
    """Those that no tombstone names, neither of a request nor of what was noticed. Raises LakeError."""
    left = set(names)
    for key in tombstones.keys(resources.lake()):
        left.difference_update(_name(one.entity, one.id) for one in tombstones.read(resources.lake(), key))
    return left


def _check_stores() -> None:
    """A wrong path must not pass for a store without the content. Raises EtlError."""
    resources.used_lake()
    resources.warehouse().query("SELECT 1", limit=1)


def _newest() -> Iterator[datetime]:
    """The latest observation of each entity: the sandbox has hours of the future, and clocks may differ."""
    for entity in ENTITIES.values():
        for (newest,) in resources.warehouse().find(
            entity.name, f"SELECT MAX(observed_at) FROM {SCHEMA}.{entity.name}", []
        ):
            yield from [newest] if newest else []
