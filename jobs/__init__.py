"""The Luigi graph: `luigi --module jobs RedditPipeline`."""

from jobs import process
from jobs.extract import Extract
from jobs.forget import Forget
from jobs.load import Load
from jobs.pipeline import RedditPipeline
from jobs.publish import Publish
from jobs.ranges import RangeHourly
from jobs.retain import Retain
from jobs.transform import Transform

process.set_up()

__all__ = ["Extract", "Forget", "Load", "Publish", "RangeHourly", "RedditPipeline", "Retain", "Transform"]
