"""Optional dependencies: the extras of setup.cfg, which only some engines need."""

from collections.abc import Iterator
from contextlib import contextmanager

from reddit_etl.errors import ConfigurationError


@contextmanager
def needing(extra: str, setting: str) -> Iterator[None]:
    """For the import of an engine: a missing library is a ConfigurationError that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        # The image's target batch has no DuckDB, which is easily overlooked.
        image = ", or run the image's target local" if extra == "local" else ""
        raise ConfigurationError(
            f"{setting}: {error.name} is not installed: pip install -e '.[{extra}]' in the project's folder{image}"
        ) from error
