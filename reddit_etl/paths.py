"""Paths on this machine that a setting names."""

from pathlib import Path

from reddit_etl.errors import ConfigurationError


def expanded(setting: str, path: str) -> Path:
    """The path with `~` replaced. Raises ConfigurationError, which names the setting, if there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{setting}: {error}: give the whole path") from error
