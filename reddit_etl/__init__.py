"""From Reddit to a data lake, through a transformation, into a warehouse: the library, without a scheduler.

Functions and small classes with keyword arguments. Nothing here imports luigi or reads a configuration file. What is in
`__all__` is for other programs, and stable.
"""

# Type checkers know the name; importing `typing` for it would take a hundred times as long as this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from reddit_etl.errors import ConfigurationError, EtlError, RedditError
    from reddit_etl.library import RedditClient
    from reddit_etl.sources.verdict import Unavailable

    __version__: str

__all__ = ["ConfigurationError", "EtlError", "RedditClient", "RedditError", "Unavailable", "__version__"]

_PLACES = {"RedditClient": "reddit_etl.library", "Unavailable": "reddit_etl.sources.verdict"}


def __getattr__(name: str) -> object:
    """Import a name on first use: every module of the pipeline imports this package, and few need the client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            return version("reddit-etl")
        except PackageNotFoundError:
            # In the image the folder is on Python's path, and nothing is installed.
            return "unknown"
    from importlib import import_module  # noqa: PLC0415

    found: object = getattr(import_module(_PLACES.get(name, "reddit_etl.errors")), name)
    return found
