"""Which room may import which, read from the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGES = ("reddit_etl", "jobs", "batch")
MODULES = sorted(path.relative_to(PROJECT) for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))

# The ground: every room may import these, and they import each other alone.
GROUND = {f"reddit_etl.{name}" for name in ("aws", "clock", "duck", "errors", "extras", "loopback", "paths")}
STORES = {f"reddit_etl.{name}" for name in ("transform", "warehouse", "catalog")}
# Each room with the rooms that it may import, beside itself and the ground. The longest name that fits counts.
ROOMS = {
    "reddit_etl": set(),
    # What other programs import: the package gives names of the library, which reads Reddit and stores nothing.
    "reddit_etl.__init__": {"reddit_etl.library", "reddit_etl.sources.verdict"},
    "reddit_etl.library": {"reddit_etl.entities", "reddit_etl.sources"},
    "reddit_etl.entities": set(),
    "reddit_etl.sandbox": set(),
    "reddit_etl.lake": set(),
    "reddit_etl.sources": {"reddit_etl.entities"},
    **{store: {"reddit_etl.entities", "reddit_etl.lake"} for store in STORES},
    # It reads both stores, and the names of attempts.
    "reddit_etl.report": {
        "reddit_etl.entities",
        "reddit_etl.lake",
        "reddit_etl.warehouse",
        "reddit_etl.steps.attempt",
    },
    "reddit_etl.steps": {"reddit_etl.entities", "reddit_etl.sources", "reddit_etl.lake", *STORES},
    "jobs": {"reddit_etl", "luigi"},
    # What a stack's parameters may be, and where the lake has its reports.
    "batch": {"reddit_etl.sources.selection", "reddit_etl.lake.layout"},
    "batch.glue": {"reddit_etl.entities", "reddit_etl.transform.sql", "pyspark"},
}
# What belongs to one room alone, or to none.
RESTRICTED = {"luigi", "pyspark", "tests", "configparser", *PACKAGES}


def imports(source: str, module: Path) -> Iterator[str]:
    """The full names of all that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(module.with_suffix("").parts[: -node.level] if node.level else ())
            base = ".".join(filter(None, (package, node.module)))
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(module: Path) -> str:
    name = ".".join(module.with_suffix("").parts)
    return max((room for room in ROOMS if within(name, room)), key=len)


def forbidden(module: Path, source: str) -> set[str]:
    """What the module imports and its room may not."""
    room = room_of(module)
    allowed = {room, *GROUND, *ROOMS[room]} if room != "reddit_etl" else GROUND
    if not within(room, "reddit_etl"):
        # Settings are read from files by who starts the work, not by who does it.
        allowed |= {"configparser"}
    restricted = {name for name in imports(source, module) if name.partition(".")[0] in RESTRICTED}
    return {name for name in restricted if not any(within(name, one) for one in allowed)}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_what_its_room_may(module):
    assert forbidden(module, (PROJECT / module).read_text()) == set()


def test_the_glue_job_and_entities_need_nothing_but_python():
    """The zip that Glue gets is imported where no library of ours is installed."""
    modules = [path for path in MODULES if room_of(path) == "reddit_etl.entities"]
    names = {name.partition(".")[0] for path in modules for name in imports((PROJECT / path).read_text(), path)}
    assert names - {"reddit_etl"} <= sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_says_what_it_is_and_its_functions_are_short(module):
    tree = ast.parse((PROJECT / module).read_text())
    assert ast.get_docstring(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [one.name for one in functions if (one.end_lineno or 0) - one.lineno >= 60] == []
    parameters = {one.name: [*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs] for one in functions}
    counts = {name: sum(one.arg not in ("self", "cls") for one in given) for name, given in parameters.items()}
    assert [name for name, count in counts.items() if count > 8] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("reddit_etl/lake/x.py", "import luigi"),
        ("reddit_etl/lake/x.py", "import configparser"),
        ("reddit_etl/lake/x.py", "import luigi.contrib.s3 as s3"),
        ("reddit_etl/lake/x.py", "def run():\n    from luigi.util import requires"),
        ("reddit_etl/lake/x.py", "if True:\n    import os, luigi"),
        ("reddit_etl/lake/x.py", "__import__('luigi')"),
        ("reddit_etl/lake/x.py", "from reddit_etl.entities import POSTS"),
        ("reddit_etl/lake/x.py", "from ..entities import posts"),
        ("reddit_etl/lake/x.py", "from reddit_etl import entities"),
        ("reddit_etl/sources/x.py", "from reddit_etl.lake.base import Lake"),
        ("reddit_etl/report/x.py", "from reddit_etl.steps.load import load"),
        ("reddit_etl/steps/x.py", "from reddit_etl.report import text"),
        ("reddit_etl/clock.py", "from reddit_etl.lake.base import open_lake"),
        ("batch/x.py", "from reddit_etl.lake.base import open_lake"),
        ("batch/glue/x.py", "from reddit_etl.transform.duckdb import to_parquet"),
        ("jobs/x.py", "from batch import stack"),
    ],
)
def test_no_forbidden_import_escapes(module, source):
    assert forbidden(Path(module), source)


def test_the_modules_are_found():
    assert {Path("reddit_etl/entities/posts.py"), Path("jobs/__init__.py"), Path("batch/glue/transform.py")} <= {
        *MODULES
    }
