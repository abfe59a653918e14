"""The garbage collector is paused and comes back, as it was."""

from __future__ import annotations

import gc

import pytest

from tapeless.ir.collection import collection_paused


def test_it_is_off_inside_and_on_again_after_an_error():
    assert gc.isenabled()
    seen = []

    def failing():
        with collection_paused():
            seen.append(gc.isenabled())
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        failing()
    assert seen == [False]
    assert gc.isenabled()


def test_who_had_turned_it_off_keeps_it_off():
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
