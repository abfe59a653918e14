"""The package as it is handed out: wheel, sdist, declared versions, and the commands of the README."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import tapeless

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
VERSION = tapeless.__version__
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED_FOR_TESTS = ("hypothesis", "pytest", "pytest-xdist", "scipy")


def files_under(folder):
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The sdist, and the wheel built from that sdist."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "-o", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_wheel_and_sdist_hold_what_they_must(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in held if name.endswith("/METADATA"))
    package = {name.removeprefix("compiler/") for name in files_under("compiler")}
    templates = {f"tapeless/{name}" for name in files_under("templates")}
    assert "tapeless/py.typed" in package
    assert package | templates <= held
    assert {name.split("/")[0] for name in held} == {"tapeless", f"tapeless-{VERSION}.dist-info"}
    assert f"tapeless-{VERSION}.dist-info/licenses/LICENSE" in held
    assert f"\nVersion: {VERSION}\n" in metadata

    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("compiler", "templates", "tests", "docs", "generated", ".ci")
    assert set().union(*(files_under(folder) for folder in folders)) <= held
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= held


def test_version_is_stated_once():
    assert importlib.metadata.version("tapeless") == VERSION


def test_changelog_has_an_unreleased_part():
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def readme_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"(?m)^python3 -m venv .*$", text)


def test_readme_has_two_commands_each_one_line():
    demo, tests = readme_commands()
    assert demo.endswith("tapeless demo")
    assert "pytest" in tests


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert readme_commands()[1] in [line.strip() for line in script.splitlines()]


def bounds(requirements):
    """Name -> lower bound, of requirements that are written `name>=bound` or `name[extra]>=bound`."""
    return dict(
        re.fullmatch(r"([A-Za-z0-9-]+)(?:\[[a-z,]+\])?>=([0-9.]+)", item).groups() for item in requirements
    )


def test_lower_bounds_are_the_versions_that_are_tested():
    tests = bounds(PROJECT["optional-dependencies"]["test"])
    declared = bounds(PROJECT["dependencies"]) | {name: tests[name] for name in PINNED_FOR_TESTS}
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    assert dict(line.split("==") for line in lines if not line.startswith("#")) == declared
