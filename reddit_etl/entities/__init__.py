"""The entities of the pipeline. A new one is a module here, an import and its name in `ENTITIES`."""

from reddit_etl.entities.comments import COMMENTS
from reddit_etl.entities.posts import POSTS

ENTITIES = {entity.name: entity for entity in (POSTS, COMMENTS)}

__all__ = ["COMMENTS", "ENTITIES", "POSTS"]
