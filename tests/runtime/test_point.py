"""A kernel as a function of one point: the C that stands behind a kernel's."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess

import pytest

import tapeless as tl
from tapeless.assembly import point_library
from tapeless.options import Options
from tapeless.runtime import point
from tapeless.transforms.pack import Packed, pack


def library(text, variables, bound, material):
    def program():
        parts = [Packed("x", variables)] + ([Packed("bound", bound)] if bound else [])
        return pack(tl.api.read(text), parts, only=0)

    return point_library((material,), program, (len(variables), len(bound)), Options())


def test_its_functions_have_addresses():
    found = point.addresses(library("f(x, a) = a*x**2", ("x",), ("a",), "square"))
    assert set(found) == set(point.SYMBOLS)
    call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.POINTER(ctypes.c_double))
    assert call(found["tapeless_number_data"])(3.0, ctypes.pointer(ctypes.c_double(2.0))) == 18.0


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
def test_the_kernel_stays_within_and_goes_in_place_of_its_call():
    path = library("f(x, a) = exp(-a*x)*sqrt(1 + x)", ("x",), ("a",), "decay").path
    names = subprocess.run(
        ["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r" T (\w+)", names)) >= set(point.SYMBOLS)
    assert "f_forward" not in names


def test_what_is_remembered_is_not_read_again():
    first = library("f(x) = sin(x)", ("x",), (), "sine")

    def never():
        raise AssertionError

    assert point_library(("sine",), never, (1, 0), Options()) == first
