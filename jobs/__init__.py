"""The Luigi graph: `luigi --module jobs RedditPipeline`."""

from jobs import process
from jobs.daily_report import DailyReport
from jobs.extract import Extract
from jobs.forget import Forget, ForgetRequest
from jobs.load import Load
from jobs.maintenance import Maintenance
from jobs.pipeline import RedditPipeline
from jobs.publish import Publish
from jobs.ranges import RangeHourly
from jobs.reconcile import Reconcile
from jobs.retain import Retain
from jobs.transform import Transform

process.set_up()

__all__ = [
    "DailyReport",
    "Extract",
    "Forget",
    "ForgetRequest",
    "Load",
    "Maintenance",
    "Publish",
    "RangeHourly",
    "Reconcile",
    "RedditPipeline",
    "Retain",
    "Transform",
]
