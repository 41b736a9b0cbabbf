"""Optional dependencies: the extras of setup.cfg, which only some engines need."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reddit_etl.errors import ConfigurationError


@contextmanager
def needing(extra: str, setting: str) -> Iterator[None]:
    """For the import of an engine: a missing library is a ConfigurationError that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        # The image's target batch has neither, which is easily overlooked.
        image = f", or run the image's target {extra}" if extra in ("local", "report") else ""
        fix = f"{sys.executable} -m pip install 'reddit-etl[{extra}]'{image}"
        raise ConfigurationError(f"{setting}: {error.name} is not installed: {fix}") from error
