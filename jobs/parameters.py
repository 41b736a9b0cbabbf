"""Luigi parameters that report an invalid value in one line."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import luigi

from jobs.process import misconfigured
from reddit_etl.clock import Clock, hour_of, utc_now
from reddit_etl.errors import ConfigurationError
from reddit_etl.sources.selection import LISTING_CAP

# Schedulers pass a complete time such as 2026-11-23T04:05:00Z, which is truncated to its hour. The Z is required, since
# times of other zones would be other hours.
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d):[0-5]\d(:[0-5]\d(\.\d+)?)?Z", re.ASCII)

OPTIONS = '{"subreddits": ["python"], "limit": 100}'
"""An example of `--of-params`."""


class HourParameter(luigi.DateHourParameter):
    """A UTC hour such as 2026-11-23T04. `flag` is the option that an error message names."""

    def __init__(self, *args: Any, flag: str = "--hour", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flag = flag

    def parse(self, text: str) -> datetime:
        """The hour, also from a full time that ends with Z. Raises SystemExit with code 78."""
        moment = MOMENT.fullmatch(text)
        written = moment[1] if moment else text
        hour: datetime = _parsed(super().parse, written, self._flag, "use a UTC hour such as 2026-11-23T04")
        return hour


class TaskNameParameter(luigi.TaskParameter[luigi.Task]):
    """The name of a task class, such as RedditPipeline."""

    def parse(self, text: str) -> type[luigi.Task]:
        """The task class of that name. Raises SystemExit with code 78 if there is none."""
        task: type[luigi.Task] = _parsed(super().parse, text, "--of", "use RedditPipeline")
        return task


class NamesParameter(luigi.ListParameter):
    """A JSON list of strings, as a tuple. `flag` is the option, and `example` a value, that an error message shows."""

    def __init__(
        self, *args: Any, flag: str = "--extracts", example: str = '["python-new-1000"]', **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._flag = flag
        self._example = example

    def parse(self, text: str) -> tuple[str, ...]:
        """The strings, in the order given. Raises SystemExit with code 78 for any other JSON."""
        fix = f"use a JSON list of names, in single quotes in the shell: '{self._example}'"
        names: tuple[str, ...] = _parsed(self._list, text, self._flag, fix)
        return names

    def _list(self, text: str) -> tuple[str, ...]:
        names: Any = super().parse(text)  # type: ignore[no-untyped-call]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise TypeError
        return tuple(names)


class OptionsParameter(luigi.DictParameter):
    """A JSON object with parameters of RedditPipeline."""

    def parse(self, text: str) -> dict[str, Any]:
        """The parameters. Raises SystemExit with code 78 for any other JSON."""
        options: dict[str, Any] = _parsed(self._object, text, "--of-params", f"use a JSON object such as '{OPTIONS}'")
        return options

    def _object(self, text: str) -> Any:
        options: Any = super().parse(text)  # type: ignore[no-untyped-call]
        if not isinstance(options, Mapping):
            raise TypeError
        return options


class LimitParameter(luigi.IntParameter):
    """The number of items per listing."""

    def parse(self, text: str) -> int:
        """Any integer; `checked_limit` checks its range. Raises SystemExit with code 78."""
        limit: int = _parsed(super().parse, text, "--limit", f"use a number from 1 to {LISTING_CAP}")
        return limit


def _parsed(parse: Callable[[str], Any], text: str, name: str, fix: str) -> Any:
    try:
        return parse(text)
    except Exception:  # noqa: BLE001
        fault = ConfigurationError(f"{name}: {text!r} is not valid: {fix}")
        raise misconfigured(fault) from fault


def checked_hour(hour: datetime, *, sandbox: bool, now: Clock = utc_now) -> datetime:
    """Raises ConfigurationError for an hour before 2005, and outside the sandbox for a future one."""
    if hour.year < 2005:
        raise ConfigurationError(f"--hour is in the year {hour.year}: Reddit began in 2005")
    if hour > hour_of(now()) and not sandbox:
        raise ConfigurationError(
            f"--hour {hour:%Y-%m-%dT%H} is in the future: use the current UTC hour or an earlier one"
        )
    return hour
