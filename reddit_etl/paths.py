"""Local paths in settings."""

from pathlib import Path

from reddit_etl.errors import ConfigurationError


def expanded(setting: str, path: str) -> Path:
    """The path with `~` expanded. Raises ConfigurationError, which names the setting, if that is not possible."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{setting}: {error}: use an absolute path") from error
