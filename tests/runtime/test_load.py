import re
import subprocess
import sys
from pathlib import Path

import _cffi_backend
import cffi
import pytest

from tapeless.errors import CacheError
from tapeless.runtime import load as load_module
from tapeless.runtime.build import build
from tapeless.runtime.cache import Cache
from tapeless.runtime.driver import DRIVER
from tapeless.runtime.library import Library
from tapeless.runtime.load import KERNEL, load

SOURCE = """
#include <stddef.h>
static ptrdiff_t calls;
void count(ptrdiff_t n, const void *const *in, void *const *out) { (void)in; *(double *)out[0] = calls += n; }
void same(ptrdiff_t n, const void *const *in, void *const *out) { count(n, in, out); }
"""


@pytest.mark.parametrize("declaration", [KERNEL, DRIVER], ids=["kernel", "driver"])
def test_declarations_are_what_cffi_writes(declaration, tmp_path):
    ffi = cffi.FFI()
    ffi.cdef(declaration.cdef)
    ffi.set_source("tapeless", None)
    ffi.emit_python_code(str(tmp_path / "declaration.py"))
    text = (tmp_path / "declaration.py").read_text()
    namespace = {}
    fields = re.search(r"FFI\('tapeless',(.*)\)", text, re.DOTALL)
    exec(f"fields = dict({fields.group(1)})", namespace)
    fields = namespace["fields"]
    assert declaration.version == fields["_version"]
    assert declaration.types == fields["_types"]
    assert (declaration.opcode + b"f", 0) == fields["_globals"]


def test_functions_are_called_through_the_declaration(compiler):
    functions = load(build(SOURCE, compiler=compiler, cache=Cache()), ["same", "count"])
    out = KERNEL.ffi().new("double *")
    functions["count"](3, [], [out])
    functions["same"](2, [], [out])
    assert out[0] == 5.0


def test_a_library_is_opened_once(compiler, monkeypatch):
    library = build(SOURCE, compiler=compiler, cache=Cache())
    first = load(library, ["count"])["count"]
    opened = []
    monkeypatch.setattr(load_module, "_open", lambda *args: opened.append(args))
    assert load(library, ["count"])["count"] is first
    assert opened == []


def test_a_loaded_library_outlives_its_file(compiler):
    cache = Cache()
    library = build(SOURCE, compiler=compiler, cache=cache)
    function = load(library, ["count"])["count"]
    cache.clear()
    out = KERNEL.ffi().new("double *")
    function(1, [], [out])
    assert load(library, ["count"])["count"] is function


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone"])
def test_damage_is_found_before_the_system_opens_the_file(compiler, tmp_path, damage, monkeypatch):
    library = build(SOURCE, compiler=compiler, cache=Cache(tmp_path / damage))
    path = Path(library.path)
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[:-100] if damage == "truncated" else content[:-1] + b"\x01")
    monkeypatch.setattr(load_module, "_open", lambda *args: pytest.fail("opened"))
    with pytest.raises(CacheError, match=r"damaged or gone"):
        load(library, ["count"])


def test_missing_function(compiler):
    library = build(SOURCE, compiler=compiler, cache=Cache())
    with pytest.raises(CacheError, match=r"lacks a function.*absent"):
        load(library, ["absent"])


def test_directory_that_forbids_execution(compiler, tmp_path):
    """What the system says of a noexec mount ends in a remedy; mounted for real where that is allowed."""
    library = build(SOURCE, compiler=compiler, cache=Cache())
    root = tmp_path / "noexec"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "noexec,size=1m", "tmpfs", str(root)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        copy = root / "library.so"
        # Without the mount: a file that the system refuses just as late.
        copy.write_bytes(Path(library.path).read_bytes() if mounted else b"not a library")
        digest = library.digest if mounted else __import__("hashlib").sha256(b"not a library").hexdigest()
        with pytest.raises(CacheError, match=r"noexec.*TAPELESS_CACHE_DIR"):
            load(Library(str(copy), digest), ["count"])
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(root)], check=True)


def test_neither_cffi_nor_pycparser_is_imported(compiler, tmp_path):
    library = build(SOURCE, compiler=compiler, cache=Cache())
    code = (
        "import sys, numpy\n"  # some versions of numpy import subprocess
        "before = set(sys.modules)\n"
        "from tapeless.runtime.load import load\n"
        "from tapeless.runtime.library import Library\n"
        f"load(Library({library.path!r}, {library.digest!r}), ['count'])\n"
        "sys.exit(bool({'cffi', 'pycparser', 'subprocess', 'tempfile'} & sys.modules.keys() - before))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_backend_accepts_the_version():
    assert isinstance(KERNEL.ffi(["f"]), _cffi_backend.FFI)
