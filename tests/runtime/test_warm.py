import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import tapeless
from tapeless.errors import CacheError
from tapeless.runtime import cpu, warm
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import Compiler

CC = Compiler(("cc",), "cc|1|1")


def test_package_digest_covers_sources_and_templates(tmp_path, monkeypatch):
    package = tmp_path / "site" / "tapeless"
    (package / "runtime").mkdir(parents=True)
    (package / "a.py").write_text("a = 1\n")
    (package / "runtime" / "b.c").write_text("int b;\n")
    (package / "__pycache__").mkdir()
    templates = package / "templates"
    templates.mkdir()
    (templates / "module.c.j2").write_text("{{ body }}\n")
    monkeypatch.setattr(warm, "_PACKAGE", str(package))

    def digest():
        warm.package_digest.cache_clear()
        return warm.package_digest()

    try:
        seen = [digest()]
        assert digest() == seen[0]
        (package / "__pycache__" / "a.pyc").write_text("anything")
        assert digest() == seen[0]
        for path in (package / "a.py", package / "runtime" / "b.c", templates / "module.c.j2"):
            text = path.read_text()
            path.write_text(text[:-2] + "2\n")  # as long as before
            seen.append(digest())
        (package / "new.py").write_text("")
        seen.append(digest())
        assert len(set(seen)) == 5
    finally:
        warm.package_digest.cache_clear()


def test_checkout_has_its_templates_beside_the_package(tmp_path, monkeypatch):
    (tmp_path / "compiler" / "tapeless").mkdir(parents=True)
    (tmp_path / "templates" / "c").mkdir(parents=True)
    template = tmp_path / "templates" / "c" / "kernel.c.j2"
    template.write_text("one")
    monkeypatch.setattr(warm, "_PACKAGE", str(tmp_path / "compiler" / "tapeless"))
    try:
        warm.package_digest.cache_clear()
        before = warm.package_digest()
        template.write_text("two")
        warm.package_digest.cache_clear()
        assert warm.package_digest() != before
    finally:
        warm.package_digest.cache_clear()


def test_package_digest_sees_this_package():
    names = {Path(path).name for _, path in warm._sources(warm._PACKAGE)}
    assert {"errors.py", "warm.py", "driver.c"} <= names
    assert str(Path(tapeless.__file__).parent) == warm._PACKAGE


@pytest.mark.parametrize(
    "change",
    [
        {"request": ["text", "w*x"]},
        {"options": {"dtype": "float32"}},
        {"compiler": Compiler(("cc",), "cc|1|2")},
        {"compiler": Compiler(("gcc",), "cc|1|1")},
    ],
)
def test_every_part_of_a_request_counts(change):
    base = {"request": ["text", "w*x + b"], "options": {"dtype": "float64"}, "compiler": CC}
    assert warm.request_key(**base) == warm.request_key(**base)
    assert warm.request_key(**base | change) != warm.request_key(**base)


def test_processor_and_package_count(monkeypatch):
    before = warm.request_key("w*x", {}, CC)
    monkeypatch.setattr(cpu, "host", lambda: cpu.Cpu("another"))
    other = warm.request_key("w*x", {}, CC)
    monkeypatch.setattr(warm, "known_digest", lambda cache: "another")
    assert len({before, other, warm.request_key("w*x", {}, CC)}) == 3


def test_order_of_options_does_not_count():
    assert warm.request_key("w", {"a": 1, "b": 2}, CC) == warm.request_key("w", {"b": 2, "a": 1}, CC)


def test_remember_and_recall():
    cache = warm.cache()
    assert isinstance(cache, Cache)
    library = cache.store("a" * 64, b"shared object")
    key = warm.request_key("w*x", {}, CC)
    assert warm.recall(cache, key) is None
    warm.remember(cache, key, {"kernels": []}, library)
    assert warm.recall(cache, key) == ({"kernels": []}, library)


def test_without_a_cache_there_is_nothing_to_recall():
    assert warm.cache(False) is None
    warm.remember(None, "key", {}, None)
    assert warm.recall(None, "key") is None


def test_warm_path_imports_light_parts_only():
    code = (
        "import sys, numpy\n"
        "before = set(sys.modules)\n"
        "import tapeless.runtime.warm, tapeless.runtime.arrays, tapeless.runtime.load\n"
        "warm = tapeless.runtime.warm\n"
        "key = warm.request_key('w*x', {}, warm.compiler())\n"
        "assert warm.recall(warm.cache(), key) is None\n"
        "heavy = {'sympy', 'jinja2', 'pycparser', 'cffi', 'platformdirs', 'subprocess', 'tempfile', 'shutil',\n"
        "         'tapeless.runtime.build', 'importlib.resources', 'asyncio', 'click', 'rich'}\n"
        "print(sorted((set(sys.modules) - before) & heavy))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["[]"]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A package of one file, written a while ago."""
    package = tmp_path / "site" / "tapeless"
    (package / "templates").mkdir(parents=True)
    (package / "a.py").write_text("a = 1\n")
    monkeypatch.setattr(warm, "_PACKAGE", str(package))
    monkeypatch.setattr(warm, "_SETTLED", -(10**12))
    monkeypatch.setattr(warm, "_known", {})
    yield package / "a.py"
    warm.package_digest.cache_clear()


def known(cache):
    warm._known.clear()
    warm.package_digest.cache_clear()
    return warm.known_digest(cache)


def read_nothing():
    raise AssertionError("the sources were read")


def test_the_digest_of_the_package_is_noted(sources, monkeypatch):
    cache = Cache()
    first = known(cache)
    assert first == known(None)
    with monkeypatch.context() as patch:
        warm._known.clear()
        patch.setattr(warm, "package_digest", read_nothing)
        assert warm.known_digest(cache) == first
        assert warm.known_digest(None) == first  # known by now
    text = sources.read_text().replace("1", "2")
    status = sources.stat()
    time.sleep(0.05)
    sources.write_text(text)
    os.utime(sources, ns=(status.st_atime_ns, status.st_mtime_ns))  # as an archive would
    assert known(cache) != first
    assert known(cache) == known(None)


def test_the_digest_is_not_noted_while_files_change(sources, monkeypatch):
    monkeypatch.setattr(warm, "_SETTLED", 10**12)
    cache = Cache()
    assert known(cache) == known(None)
    assert not os.path.exists(cache.root)


def test_the_digest_is_not_noted_where_times_are_coarse(sources, monkeypatch):
    cache, stat = Cache(), os.stat

    def coarse(path, **options):
        status = stat(path, **options)
        fields = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
        return SimpleNamespace(**{**fields, "st_ctime_ns": 10**18})

    with monkeypatch.context() as patch:
        patch.setattr("os.stat", coarse)
        digest = known(cache)
    assert digest == known(None)
    assert not os.path.exists(cache.root)


def test_a_cache_that_cannot_be_written_needs_no_note(sources, monkeypatch):
    def refuse(*_):
        raise CacheError("read-only")

    monkeypatch.setattr(Cache, "note", refuse)
    assert known(Cache()) == known(None)
