"""Many hours in one run, by Luigi's own `RangeHourly --of RedditPipeline --start … --stop …`.

Hours that Luigi's own class would silently leave out are an error here.
"""

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any

from luigi.parameter import ParameterException
from luigi.tools import range as luigi_range

from jobs import resources
from jobs.parameters import OPTIONS, HourParameter, OptionsParameter, TaskNameParameter
from jobs.pipeline import RedditPipeline
from jobs.process import misconfigured
from reddit_etl.errors import ConfigurationError

log = logging.getLogger(__name__)


class RangeHourly(luigi_range.RangeHourly):
    """One RedditPipeline per hour, from `start` up to but not including `stop`."""

    of: type[RedditPipeline] = TaskNameParameter(description="RedditPipeline")
    of_params: Any = OptionsParameter(default={}, description="JSON object with parameters of RedditPipeline")
    param_name: Any = "hour"
    start: Any = HourParameter(default=None, flag="--start", description="the first UTC hour")
    stop: Any = HourParameter(default=None, flag="--stop", description="the hour after the last")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        try:
            resources.settings()
            if not issubclass(self.of, RedditPipeline):
                raise ConfigurationError(f"--of is {self.of.task_family}: use RedditPipeline")
            if any(isinstance(value, str) for value in self.of_params.values()):
                raise ConfigurationError(f"--of-params has a string: use JSON lists and numbers, such as {OPTIONS}")
        except ConfigurationError as error:
            raise misconfigured(error) from None

    def requires(self) -> list[RedditPipeline]:
        """The pipelines of the hours to be done. Raises SystemExit with code 78 for invalid parameters."""
        try:
            hours: list[RedditPipeline] = super().requires()  # type: ignore[no-untyped-call]
        except ParameterException as error:
            raise misconfigured(ConfigurationError(f"--start, --stop, --of-params: {error}")) from None
        except ConfigurationError as error:
            raise misconfigured(error) from None
        return hours

    def moving_start(self, now: datetime) -> datetime:
        """The earliest hour that is looked at. Raises ConfigurationError if `start` is before it."""
        begin: datetime = super().moving_start(now)  # type: ignore[no-untyped-call]
        if self.start and self.start < begin:
            raise ConfigurationError(f"--start is more than {self.hours_back} hours ago: add a larger --hours-back")
        return begin

    def missing_datetimes(self, finite_datetimes: Collection[datetime]) -> set[datetime]:
        """The hours that are not complete. Raises ConfigurationError if they exceed `task_limit`."""
        missing: set[datetime] = super().missing_datetimes(finite_datetimes)  # type: ignore[no-untyped-call]
        if len(missing) > self.task_limit:
            fix = "raise it, or choose a shorter range"
            raise ConfigurationError(
                f"--task-limit is {self.task_limit}, and {len(missing)} hours are incomplete: {fix}"
            )
        log.info("range checked", extra={"hours": len(finite_datetimes), "left": len(missing)})
        return missing
