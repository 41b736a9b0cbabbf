"""The entities that the pipeline knows. A new one is a module here and a line below."""

from reddit_etl.entities.posts import POSTS

ENTITIES = {entity.name: entity for entity in (POSTS,)}

__all__ = ["ENTITIES", "POSTS"]
