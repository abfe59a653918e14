"""C that needs headers of a host: built, found again, refused with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

import tapeless as tl
from tapeless.runtime import headers, warm
from tapeless.runtime.extension import load_extension
from tapeless.runtime.library import Library

SOURCE = '#include "given.h"\nint answer(void) { return GIVEN; }\n'


@pytest.fixture
def given(tmp_path):
    (tmp_path / "given.h").write_text("#define GIVEN 1\n")
    return headers.Header("given.h", str(tmp_path), "install what has it")


def build(header, *, made_for="host 1", cached=True, source=SOURCE):
    cache = warm.cache(cached)
    text = f"/* for {made_for} */\n{source}"
    return headers.build_against((header,), text, stem="given", compiler=warm.compiler(), cache=cache)


def test_built_once_for_each_version(given, empty_cache):
    first = build(given)
    assert first.is_intact()
    assert build(given) == first
    (Path(given.folder) / "given.h").unlink()
    assert build(given) == first, "what is built needs no headers"
    with pytest.raises(tl.UnsupportedError, match=r"given\.h is needed.*install what has it"):
        build(given, made_for="host 2")


def test_without_a_cache(given):
    assert build(given, cached=False).is_intact()


def test_an_error_that_no_header_explains(given, empty_cache):
    with pytest.raises(tl.CompilerError, match="refused the source"):
        build(given, source=SOURCE + "int answer(int);\n")


def test_what_is_damaged_is_not_loaded(given, empty_cache, tmp_path):
    library = build(given)
    damaged = Library(library.path, "0" * 64)
    with pytest.raises(tl.CacheError, match="damaged or gone"):
        load_extension("given", damaged)
    with pytest.raises(tl.CacheError, match="cannot be loaded"):
        load_extension("given", library)  # it is no module
