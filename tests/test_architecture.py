"""Who may import whom, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGES = ("reddit_etl", "jobs", "batch")
MODULES = sorted(path.relative_to(PROJECT) for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))

# What the modules of each package may not import.
FORBIDDEN = {
    "reddit_etl": {"luigi", "jobs", "batch", "configparser", "tests"},
    "jobs": {"batch", "tests"},
    "batch": {"luigi", "tests"},
}


def imports(source: str, module: Path) -> Iterator[str]:
    """The top-level names of all that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays within the package.
            yield module.parts[0] if node.level else (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_what_its_package_may(module):
    found = set(imports((PROJECT / module).read_text(), module))
    assert found & FORBIDDEN[module.parts[0]] == set()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_says_what_it_is(module):
    assert ast.get_docstring(ast.parse((PROJECT / module).read_text()))


def test_only_the_jobs_import_luigi():
    users = {module.parts[0] for module in MODULES if "luigi" in imports((PROJECT / module).read_text(), module)}
    assert users == {"jobs"}


@pytest.mark.parametrize(
    "source",
    [
        "import luigi",
        "import luigi.contrib.s3 as s3",
        "from luigi import Task",
        "def run():\n    from luigi.util import requires",
        "if True:\n    import os, luigi",
        "__import__('luigi')",
    ],
)
def test_no_way_of_importing_escapes(source):
    assert "luigi" in imports(source, Path("reddit_etl/x.py"))


def test_the_modules_are_found():
    assert Path("reddit_etl/entities/posts.py") in MODULES
    assert Path("jobs/__init__.py") in MODULES
