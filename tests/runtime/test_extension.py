"""Extensions of Python built on the spot."""

from __future__ import annotations

import sysconfig

import pytest

from tapeless.errors import CompilerError, TapelessError, UnsupportedError
from tapeless.runtime import extension as module
from tapeless.runtime import warm
from tapeless.runtime.cache import Cache
from tapeless.runtime.extension import extension

SOURCE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *unused)
{ (void)self; (void)unused; return PyLong_FromLong(NUMBER); }
static PyMethodDef functions[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "NAME", .m_size = -1, .m_methods = functions
};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&definition); }
"""


def source(name, number=42):
    return SOURCE.replace("NAME", name).replace("NUMBER", str(number))


@pytest.fixture
def compiler():
    return warm.compiler()


def test_built_then_found(empty_cache, compiler, monkeypatch):
    made = extension("tapeless_try_one", source("tapeless_try_one"), compiler, Cache())
    assert made.answer() == 42
    monkeypatch.setattr(module, "_python_headers", lambda: pytest.fail("looked for headers on a warm start"))
    again = extension("tapeless_try_one", source("tapeless_try_one"), compiler, Cache())
    assert again.answer() == 42


def test_without_a_cache(empty_cache, compiler):
    assert extension("tapeless_try_two", source("tapeless_try_two"), compiler, None).answer() == 42
    assert list(empty_cache.iterdir()) == []


def test_another_source_is_another_extension(empty_cache, compiler):
    first = extension("tapeless_try_three", source("tapeless_try_three"), compiler, Cache())
    second = extension("tapeless_try_four", source("tapeless_try_four", 43), compiler, Cache())
    assert (first.answer(), second.answer()) == (42, 43)


def test_folders_of_headers(empty_cache, compiler, tmp_path):
    (tmp_path / "number.h").write_text("#define NUMBER 44\n")
    text = '#include "number.h"\n' + SOURCE.replace("NAME", "tapeless_try_five")
    made = extension("tapeless_try_five", text, compiler, Cache(), include=(str(tmp_path),))
    assert made.answer() == 44


def test_refusals(empty_cache, compiler, monkeypatch, tmp_path):
    with pytest.raises(CompilerError):
        extension("tapeless_try_six", "no C", compiler, Cache())
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(UnsupportedError, match=r"no Python\.h in .*python3-dev"):
        extension("tapeless_try_seven", source("tapeless_try_seven"), compiler, Cache())
    monkeypatch.setattr(module.sys, "abiflags", "t")
    with pytest.raises(TapelessError, match="global lock"):
        extension("tapeless_try_one", source("tapeless_try_one"), compiler, Cache())
