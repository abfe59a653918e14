"""The digests are those of hashlib, whichever module gives them."""

from __future__ import annotations

import hashlib
import sys

import pytest

from tapeless.runtime import digest


@pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 1000])
def test_they_are_what_hashlib_gives(content):
    assert digest.sha256(content).hexdigest() == hashlib.sha256(content).hexdigest()

    assert digest.blake2b(content).hexdigest() == hashlib.blake2b(content).hexdigest()


def test_hashlib_serves_where_the_small_module_is_missing(monkeypatch):
    for name in ("_sha2", "_sha256"):
        monkeypatch.setitem(sys.modules, name, None)
    assert digest._find("sha256", ("_sha2", "_sha256", "hashlib")) is hashlib.sha256
    with pytest.raises(ImportError, match="no sha256"):
        digest._find("sha256", ("_sha2",))
