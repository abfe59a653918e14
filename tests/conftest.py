"""Options, profiles and fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

import corpora

# The same examples in every run; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

_CACHE = pytest.StashKey[str]()


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write generated/ and the outputs shown in the docs from what this run produces",
    )


def pytest_configure(config):
    """Give the whole run, all workers together, one new cache directory."""
    if hasattr(config, "workerinput"):
        return
    path = tempfile.mkdtemp(prefix="tapeless-tests-")
    config.stash[_CACHE] = path
    os.environ["TAPELESS_CACHE_DIR"] = path


def pytest_unconfigure(config):
    if _CACHE in config.stash:
        shutil.rmtree(config.stash[_CACHE], ignore_errors=True)


def pytest_report_header():
    return f"corpora: {corpora.folder() or 'absent'}"


@pytest.fixture
def update_golden(request) -> bool:
    """Whether goldens are to be written rather than compared."""
    return request.config.getoption("--update-golden")


@pytest.fixture(scope="module", params=["fast", "cffi"])
def way(request):
    """How functions compiled meanwhile are called: through the fast caller, and without it."""
    from tapeless.runtime import caller, warm

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(caller.VARIABLE, "0" if request.param == "cffi" else "1")
        if request.param == "fast":
            found = caller.find(warm.compiler(), warm.cache())
            if found.extension is None:
                pytest.skip(found.reason)
        yield request.param


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """An empty cache directory of this test's own, for tests of the cache and of cold compiles."""
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(path))
    return path
