"""The steps of CONTRIBUTING.md, carried out on a copy of the project's code."""

import re
import shutil
from difflib import ndiff
from pathlib import Path

from tests import PROJECT

PAGE = (PROJECT / "CONTRIBUTING.md").read_text()


def carry_out(section: str, copy: Path, **renamed: str) -> None:
    """Copy the code, and change it as the blocks of the page's section say, with other names where any are given."""
    for package in ("reddit_etl", "jobs"):
        shutil.copytree(PROJECT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "luigi.cfg", copy)
    [text] = re.findall(rf"^## {section}\n(.+?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    for name, other in renamed.items():
        text = text.replace(name, other)
    for path, content in re.findall(r"^```python\n# (\S+)\n(.+?)^```", text, re.MULTILINE | re.DOTALL):
        (copy / path).write_text(content)
    for path, block in re.findall(r"^```diff\n--- (\S+)\n(.+?)^```", text, re.MULTILINE | re.DOTALL):
        before, after = (_lines(block, without) for without in "+-")
        source = (copy / path).read_text()
        assert source.count(before) == 1, f"{path} has changed: update CONTRIBUTING.md"
        (copy / path).write_text(source.replace(before, after))


def _lines(block: str, without: str) -> str:
    return "".join(f"{line[1:]}\n" for line in block.splitlines() if not line.startswith(without))


def changes(copy: Path) -> dict[str, list[str]]:
    """The lines of each file that was changed, with the sign of `diff`; a new file's are all there are."""
    found = {}
    for path in sorted(copy.rglob("*.py")):
        name = str(path.relative_to(copy))
        before = (PROJECT / name).read_text().splitlines() if (PROJECT / name).exists() else []
        lines = [line for line in ndiff(before, path.read_text().splitlines()) if line.startswith(("+ ", "- "))]
        if lines:
            found[name] = lines
    return found
