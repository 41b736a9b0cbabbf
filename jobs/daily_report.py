"""The report as a task of the daily job: a page in the lake."""

from datetime import datetime

import luigi

from jobs import resources
from jobs.parameters import HourParameter
from jobs.task import LakeTask, log
from reddit_etl.lake.layout import hour_text, report_key


class Page(luigi.Target):
    """A page of the lake, which never changes once it exists."""

    def __init__(self, key: str) -> None:
        self.key = key

    def exists(self) -> bool:
        """Whether it is there."""
        return resources.lake().read(self.key) is not None


class DailyReport(LakeTask):
    """Puts the report of the seven days up to its hour into the lake."""

    hour: datetime = HourParameter()

    def output(self) -> Page:
        """The page."""
        return Page(report_key(self.hour))

    def run(self) -> None:
        """Make the page, unless another run was first."""
        # Imported here, as each run of any task imports this module.
        from jobs import report  # noqa: PLC0415

        html, _ = report.page(self.hour - report.RANGE + report.HOUR, self.hour)
        key = self.output().key
        if not resources.lake().create(key, html.encode(), media_type="text/html; charset=utf-8"):
            log.info("another run of this task was first; its page counts", extra={"hour": hour_text(self.hour)})
        log.info("reported", extra={"hour": hour_text(self.hour), "report": f"{resources.lake().url}/{key}"})

    def __repr__(self) -> str:
        return f"DailyReport({hour_text(self.hour)})"
