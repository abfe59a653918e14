import io
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import platformdirs
import pytest

from tapeless.errors import CacheError
from tapeless.runtime import cache as cache_module
from tapeless.runtime.cache import Cache, default_root
from tapeless.runtime.records import to_bytes

KEY, OTHER = "a" * 64, "b" * 64


def age(path, seconds=7200.0):
    then = time.time() - seconds
    os.utime(path, (then, then))


def files(cache, kind):
    return sorted(p for p in Path(cache.root, kind).rglob("*") if p.is_file())


# Keeping and finding


def test_a_library_is_found_again():
    cache = Cache()
    assert cache.lookup(KEY) is None
    library = cache.store(KEY, b"shared object")
    assert cache.lookup(KEY) == Cache().lookup(KEY) == library
    assert Path(library.path).read_bytes() == b"shared object"
    assert library.digest in library.path


def test_equal_contents_are_kept_once():
    cache = Cache()
    assert cache.store(KEY, b"same") == cache.store(OTHER, b"same")
    assert cache.info().entries == 1


def test_a_request_is_remembered_with_its_payload():
    cache = Cache()
    library = cache.store(KEY, b"shared object")
    assert cache.recall(OTHER) is None
    cache.remember(OTHER, {"kernels": [1, "zwei"]}, library)
    assert cache.recall(OTHER) == ({"kernels": [1, "zwei"]}, library)


def test_only_files_of_its_own_are_removed():
    cache = Cache(limit=0)
    library = cache.store(KEY, b"shared object")
    cache.remember(KEY, {}, library)
    root = Path(cache.root)
    foreign = [
        root / "objects" / "ab" / ("c" * 38),  # as git has them
        root / "objects" / "ab" / ("c" * 62),
        root / "objects" / "ab" / ("ab" + "c" * 62),
        root / "objects" / "cd" / ("ab" + "c" * 62 + ".so"),
        root / "builds" / "ab" / "notes.txt",
        root / "requests" / "ab" / ("AB" * 32),
        root / "objects" / "pack" / ".hidden",
    ]
    left = root / "objects" / "ab" / f".123-{'0' * 16}"  # by a write that was cut short
    for path in [*foreign, left]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    for path in root.rglob("*"):
        age(path)
    assert cache.prune() > 0
    assert not left.exists()
    cache.store(KEY, b"shared object")
    assert cache.clear() > 0
    assert all(path.exists() for path in foreign)
    assert cache.info().bytes == 0


def test_info_and_clear():
    cache = Cache(limit=12345)
    assert cache.info() == cache_module.CacheInfo(cache.root, 0, 0, 12345)
    library = cache.store(KEY, b"x" * 1000)
    cache.remember(KEY, {}, library)
    info = cache.info()
    assert info.entries == 1
    assert info.bytes >= 1000
    assert cache.clear() == info.bytes
    assert cache.info().entries == cache.info().bytes == 0
    assert cache.lookup(KEY) is None
    assert cache.recall(KEY) is None


# Damage


@pytest.mark.parametrize("damage", [b"", b"shared obj", b"shared object!", b"Shared object"])
def test_a_damaged_library_is_dropped(damage):
    cache = Cache()
    library = cache.store(KEY, b"shared object")
    cache.remember(OTHER, {}, library)
    Path(library.path).write_bytes(damage)
    assert cache.lookup(KEY) is None
    assert not os.path.exists(library.path)
    assert cache.recall(OTHER) is None
    assert cache.store(KEY, b"shared object").is_intact()


@pytest.mark.parametrize("record", [b"", b"{", b"\xff" * 80, b"0" * 64 + b"{}", b"../../../../etc/passwd"])
@pytest.mark.parametrize("kind", ["builds", "requests"])
def test_a_damaged_record_is_dropped(kind, record):
    cache = Cache()
    library = cache.store(KEY, b"shared object")
    cache.remember(KEY, {}, library)
    (path,) = files(cache, kind)
    path.write_bytes(record)
    assert (cache.lookup(KEY) if kind == "builds" else cache.recall(KEY)) is None
    assert not path.exists()


def test_a_record_whose_damage_still_parses_is_dropped():
    cache = Cache()
    cache.remember(KEY, {"like": 1}, cache.store(KEY, b"shared object"))
    (path,) = files(cache, "requests")
    written, damaged = (to_bytes({"like": number})[-6:] for number in (1, 2))
    assert written in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(written, damaged))
    assert cache.recall(KEY) is None


# The directory


def test_directory_is_private_even_under_an_open_umask():
    before = os.umask(0)
    try:
        Cache().store(KEY, b"shared object")
    finally:
        os.umask(before)
    for folder in [Path(Cache().root), *(p for p in Path(Cache().root).rglob("*") if p.is_dir())]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_missing_parents_are_created(tmp_path):
    cache = Cache(tmp_path / "a" / "b" / "c")
    cache.store(KEY, b"shared object")
    assert cache.lookup(KEY) is not None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_directory_that_others_can_write_is_refused(tmp_path, mode):
    root = tmp_path / "open"
    root.mkdir()
    root.chmod(mode)
    cache = Cache(root)
    for call in (
        lambda: cache.lookup(KEY),
        lambda: cache.store(KEY, b""),
        lambda: cache.recall(KEY),
        cache.info,
        cache.clear,
    ):
        with pytest.raises(CacheError, match=rf"chmod 700 {root}"):
            call()
    assert list(root.iterdir()) == []


def test_directory_of_another_user_is_refused(tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    cache.store(KEY, b"shared object")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(CacheError, match=r"another user.*TAPELESS_CACHE_DIR"):
        cache.lookup(KEY)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_place_of_the_directory(tmp_path, below):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / below)
    with pytest.raises(CacheError, match=r"TAPELESS_CACHE_DIR.*cache=False"):
        cache.store(KEY, b"shared object")
    with pytest.raises(CacheError, match=r"TAPELESS_CACHE_DIR.*cache=False"):
        cache.lookup(KEY)


def test_unwritable_directory(tmp_path, monkeypatch):
    # Permissions do not bind the superuser, who may run this; the system call is made to fail instead.
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(CacheError, match=r"Permission denied.*TAPELESS_CACHE_DIR.*cache=False"):
        Cache(tmp_path / "cache").store(KEY, b"shared object")


def test_read_only_cache_still_serves(monkeypatch):
    cache = Cache()
    library = cache.store(KEY, b"shared object")
    cache.remember(KEY, {}, library)
    for path in Path(cache.root).rglob("*"):
        age(path)

    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    for name in ("utime", "unlink", "replace", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    assert cache.lookup(KEY) == library
    assert cache.recall(KEY) == ({}, library)
    with pytest.raises(CacheError, match=r"Read-only file system.*TAPELESS_CACHE_DIR"):
        cache.store(OTHER, b"another")


class FullDisk:
    """A file whose every write but the first few bytes fails."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()

    def write(self, content):
        self.file.write(content[:3])
        raise OSError(28, "No space left on device")


def test_full_disk_leaves_nothing_half_written(monkeypatch):
    cache = Cache()
    library = cache.store(KEY, b"shared object")
    before = files(cache, "")

    def full(path, mode="r", **kwargs):
        file = io.open(path, mode, **kwargs)  # noqa: SIM115, UP020
        return FullDisk(file) if "x" in mode or "w" in mode else file

    monkeypatch.setattr(cache_module, "open", full, raising=False)
    for call in (lambda: cache.store(OTHER, b"another"), lambda: cache.remember(KEY, {}, library)):
        with pytest.raises(CacheError, match=r"is full.*No space left.*TAPELESS_CACHE_DIR"):
            call()
    assert files(cache, "") == before


def test_full_disk_of_the_system(tmp_path):
    root = tmp_path / "small"
    root.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(root)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        # Needs privileges to mount; the same behaviour is covered by the test above.
        return
    try:
        cache = Cache(root)
        with pytest.raises(CacheError, match=r"is full"):
            cache.store(KEY, os.urandom(200_000))
        assert files(cache, "") == []
        assert cache.store(KEY, b"small").is_intact()
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


# Size limit


def test_least_recently_used_go_first():
    cache = Cache(limit=2500)
    libraries = [cache.store(str(k) * 64, bytes([k]) * 1000) for k in range(4)]
    for k, library in enumerate(libraries):
        for path in (library.path, cache._path("builds", str(k) * 64)):
            age(path, 10_000 - 1000 * k)
    assert cache.lookup("0" * 64) is not None  # a use makes it the youngest
    assert cache.prune() >= 2000
    assert [os.path.exists(library.path) for library in libraries] == [True, False, False, True]
    assert cache.info().bytes <= 2500


def test_young_files_stay():
    cache = Cache(limit=0)
    library = cache.store(KEY, b"x" * 1000)
    assert cache.prune() == 0
    assert library.is_intact()


def test_storing_prunes_now_and_then():
    cache = Cache(limit=10)
    old = cache.store(KEY, b"x" * 1000)
    age(old.path)
    cache.store(OTHER, b"y" * 1000)
    assert os.path.exists(old.path)  # looked through a moment ago
    age(os.path.join(cache.root, "pruned"))
    cache.store("c" * 64, b"z" * 1000)
    assert not os.path.exists(old.path)


def test_clean_up_errors_never_fail_a_store(monkeypatch):
    cache = Cache(limit=0)

    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", fail)
    monkeypatch.setattr(os, "utime", fail)
    assert cache.store(KEY, b"x").is_intact()


def test_limit_comes_from_the_environment(monkeypatch):
    assert Cache().limit == 512 << 20
    monkeypatch.setenv("TAPELESS_CACHE_LIMIT", "1000000")
    assert Cache().limit == 1_000_000
    monkeypatch.setenv("TAPELESS_CACHE_LIMIT", "1 GB")
    with pytest.raises(CacheError, match=r"TAPELESS_CACHE_LIMIT='1 GB'"):
        Cache()


# Where it lies


def test_environment_names_the_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(tmp_path / "mine"))
    assert default_root() == str(tmp_path / "mine")
    monkeypatch.setenv("TAPELESS_CACHE_DIR", "~/mine")
    assert default_root() == os.path.expanduser("~/mine")


@pytest.mark.parametrize("base", [None, "", "  ", "/var/tmp/xdg"])
def test_default_is_the_platforms(monkeypatch, base):
    monkeypatch.delenv("TAPELESS_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert default_root() == platformdirs.user_cache_dir("tapeless", appauthor=False)


def test_default_elsewhere_asks_platformdirs(monkeypatch):
    monkeypatch.delenv("TAPELESS_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *a, **k: "/asked")
    assert default_root() == "/asked"


def test_notes_are_not_libraries():
    cache = Cache()
    key = "ab" * 32
    assert cache.noted(key) is None
    cache.note(key, {"message": "refused"})
    assert cache.noted(key) == {"message": "refused"}
    assert cache.recall(key) is None
    library = cache.store(key, b"shared object")
    cache.remember(key, {}, library)
    assert cache.noted(key) is None
    assert cache.recall(key) == ({}, library)
