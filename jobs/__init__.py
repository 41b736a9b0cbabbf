"""The Luigi graph: `luigi --module jobs RedditPipeline`."""

from jobs import process
from jobs.extract import ExtractPosts
from jobs.load import LoadPosts
from jobs.pipeline import RedditPipeline
from jobs.publish import PublishPosts
from jobs.ranges import RangeHourly
from jobs.transform import TransformPosts

process.set_up()

__all__ = ["ExtractPosts", "LoadPosts", "PublishPosts", "RangeHourly", "RedditPipeline", "TransformPosts"]
