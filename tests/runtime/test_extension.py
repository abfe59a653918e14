"""Extensions of Python built from C text. What goes wrong is tested with the fast caller, in test_caller.py."""

from __future__ import annotations

import pytest

from tapeless.runtime import caller
from tapeless.runtime.cache import Cache
from tapeless.runtime.extension import Extension, text_beside
from tapeless.runtime.headers import Header

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


def text(name, number="42"):
    return SOURCE.replace("NAME", name).replace("NUMBER", number)


def test_two_extensions_side_by_side(empty_cache, compiler):
    for name, number in (("tapeless_try_one", "42"), ("tapeless_try_two", "43")):
        found = Extension(name, lambda name=name, number=number: text(name, number), "slow").find(
            compiler, Cache()
        )
        assert found.extension is not None, found.reason
        assert found.extension.answer() == int(number)


def test_folders_of_headers_and_what_it_depends_on(empty_cache, compiler, tmp_path):
    (tmp_path / "number.h").write_text("#define NUMBER 44\n")
    source = '#include "number.h"\n' + SOURCE.replace("NAME", "tapeless_try_three")
    made = [
        Extension(
            "tapeless_try_three",
            lambda: source,
            "slow",
            headers=lambda: (Header("number.h", str(tmp_path), "write it"),),
            depends=lambda k=k: k,
        )
        for k in range(2)
    ]
    assert made[0].find(compiler, Cache()).extension.answer() == 44
    assert made[0].key(compiler) != made[1].key(compiler)
    (tmp_path / "number.h").unlink()
    found = made[1].find(compiler, Cache())
    assert found.extension is None
    assert found.reason == f"number.h is needed and not there: no such file in {tmp_path}"
    assert found.remedy == "write it; until then slow"


def test_another_text_is_another_extension(compiler):
    """Also where it lies in a part of the package that kernels do not depend on."""
    one, two = (Extension("tapeless_try_five", lambda n=n: text("NAME", n), "slow") for n in ("1", "2"))
    assert one.key(compiler) != two.key(compiler)


def test_the_remedy_says_what_it_costs(empty_cache, compiler):
    found = Extension("tapeless_try_four", lambda: "no C", "dawdling is free").find(compiler, Cache())
    assert found.extension is None
    assert found.remedy == "nothing to do: dawdling is free, with the same results"


def test_texts_are_found_beside_their_module():
    assert "kernel_function" in text_beside(caller.__file__, "no_package", "caller.c")
    assert "kernel_function" in text_beside("/nowhere/module.py", "tapeless.runtime", "caller.c")
    with pytest.raises(OSError, match="no_such"):
        text_beside("/nowhere/module.py", "tapeless.runtime", "no_such.c")
