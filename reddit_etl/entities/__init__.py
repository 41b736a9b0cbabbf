"""The entities that the pipeline knows. A new one is a module here and a line below."""

from reddit_etl.entities.comments import COMMENTS
from reddit_etl.entities.posts import POSTS

ENTITIES = {entity.name: entity for entity in (POSTS, COMMENTS)}

__all__ = ["COMMENTS", "ENTITIES", "POSTS"]
