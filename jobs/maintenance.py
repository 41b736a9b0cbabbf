"""What is done once a day beside the hourly RedditPipeline, in a job of its own, which alone may delete objects."""

import logging
from datetime import datetime
from typing import Any

import luigi

from jobs import parameters, resources
from jobs.config import check_section
from jobs.daily_report import DailyReport
from jobs.forget import Forget, stores
from jobs.process import held, misconfigured
from jobs.retain import Retain
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.layout import hour_text

log = logging.getLogger(__name__)


class Maintenance(luigi.Task):
    """Removes what was taken back on Reddit from every store, and what is older than it is to be kept; reports."""

    hour: datetime = parameters.HourParameter(default=hour_of(utc_now()), description="UTC hour, such as 2026-11-23T04")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._is_logged = False
        try:
            with held():
                stores()
                if resources.settings().daily_report:
                    from jobs import report  # noqa: PLC0415

                    report.check("DAILY_REPORT")
            check_section("Maintenance", [name for name, _ in self.get_params()])  # type: ignore[no-untyped-call]
            parameters.checked_hour(self.hour, sandbox=resources.settings().source == "sandbox")
        except ConfigurationError as error:
            raise misconfigured(error) from None

    def requires(self) -> list[luigi.Task]:
        """The parts, each with a receipt. They do not depend on each other: if one fails, the others are still done."""
        reports = [DailyReport(hour=self.hour)] if resources.settings().daily_report else []
        return [Forget(hour=self.hour), Retain(hour=self.hour), *reports]

    def complete(self) -> bool:
        """Whether this process has logged the end: each run logs it, even if all of its work was done before."""
        return self._is_logged

    def run(self) -> None:
        """Log the end, for the alarm on maintenance that does not run."""
        self._is_logged = True
        log.info("maintenance complete", extra={"hour": hour_text(self.hour)})

    def __repr__(self) -> str:
        return f"Maintenance({hour_text(self.hour)})"
