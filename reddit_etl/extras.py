"""The extras of setup.cfg: libraries that only some engines need."""

from collections.abc import Iterator
from contextlib import contextmanager

from reddit_etl.errors import ConfigurationError


@contextmanager
def needing(extra: str, setting: str) -> Iterator[None]:
    """Around the import of an engine, whose libraries come with an extra of setup.cfg."""
    try:
        yield
    except ModuleNotFoundError as error:
        # The image's target batch is the one place without DuckDB that few would think of.
        image = ", or run the image's target local" if extra == "local" else ""
        raise ConfigurationError(
            f"{setting}: {error.name} is not installed: pip install -e '.[{extra}]' in the project's folder{image}"
        ) from error
