"""The file luigi.cfg: its checks, and the settings in it."""

import configparser
from collections.abc import Collection
from pathlib import Path

from luigi.configuration import LuigiConfigParser, get_config
from luigi.interface import core as luigi_core

from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import kind_of_lake
from reddit_etl.warehouse import DUCKDB, kind_of_warehouse

SECTION = "reddit_etl"
EXIT_CODES = ("already_running", "missing_data", "not_run", "task_failed", "scheduling_error", "unhandled_exception")


def check_file(path: str, known: Collection[str]) -> None:
    """Raises ConfigurationError. `path` is LUIGI_CONFIG_PATH, `known` the settings of `[reddit_etl]`."""
    if path and not Path(path).is_file():
        raise ConfigurationError(f"LUIGI_CONFIG_PATH is {path!r}, which does not exist: set it to a luigi.cfg")
    if not get_config().has_section(SECTION):
        raise ConfigurationError(
            f"luigi.cfg with [{SECTION}] not found: run in a folder with the project's luigi.cfg, or set "
            "LUIGI_CONFIG_PATH to that file"
        )
    _check_core()
    check_section(SECTION, known)
    check_section("retcode", EXIT_CODES)
    for code in EXIT_CODES:
        # By default Luigi exits with 0 after a failed task.
        if not get_config().getint("retcode", code, 0):
            raise ConfigurationError(f"luigi.cfg: [retcode] {code} is not set: a failed run would exit with 0")


def _check_core() -> None:
    core = luigi_core()
    # A run must not depend on another service; receipts keep overlapping runs apart.
    refused = "a central scheduler is not supported"
    if core.scheduler_url or (core.scheduler_host, core.scheduler_port) != ("localhost", 8082):
        raise ConfigurationError(f"{refused}: remove --scheduler-host, --scheduler-port and --scheduler-url")
    if not core.local_scheduler:
        raise ConfigurationError(f"{refused}: set local_scheduler=true in luigi.cfg's [core]")
    workers = core.workers
    if workers != 1:
        # Forked workers would share a connection to AWS and read each other's responses; 0 workers do nothing.
        raise ConfigurationError(f"--workers is {workers}: only 1 is supported")


def check_section(section: str, known: Collection[str]) -> None:
    """Raises ConfigurationError for an unknown key, which Luigi ignores."""
    config = get_config()
    for key in config.options(section) if config.has_section(section) else ():
        if key not in known:
            raise ConfigurationError(f"luigi.cfg: [{section}] has an unknown key {key!r}: use {', '.join(known)}")


def stored(name: str) -> str | None:
    """A setting in `[reddit_etl]`, unchanged. Raises ConfigurationError."""
    try:
        value: str | None = get_config().get(SECTION, name, None)
    except configparser.Error as error:
        raise ConfigurationError(f"luigi.cfg: [{SECTION}] {name}: {' '.join(str(error).split())}") from error
    if value and name == "warehouse_url" and "@" in value:
        raise ConfigurationError(
            f"luigi.cfg: [{SECTION}] {name} contains a login: set WAREHOUSE_URL in the environment"
        )
    return value


def whole(name: str, value: str) -> str:
    """The setting, with a relative path made absolute: it is relative to the folder of luigi.cfg."""
    if name == "lake_url" and kind_of_lake(value) == "folder":
        return _beside_file(name, value)
    if name == "warehouse_url" and kind_of_warehouse(value) == "duckdb":
        return DUCKDB + _beside_file(name, value.removeprefix(DUCKDB))
    return value


def _beside_file(name: str, path: str) -> str:
    return path if path.startswith("~") else str(_folder_of(name) / path)


def _folder_of(name: str) -> Path:
    """The folder of the file with the setting. Luigi reads several files, of which the last has precedence."""
    for path in reversed(LuigiConfigParser._config_paths):
        file = configparser.RawConfigParser()
        file.optionxform = str  # type: ignore[assignment, method-assign]
        file.read(path)
        if file.has_option(SECTION, name):
            return Path(path).absolute().parent
    return Path.cwd()
