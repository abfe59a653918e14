"""The warm start: a second process needs neither sympy nor jinja2 nor a parser of C."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "sympy",
    "mpmath",
    "jinja2",
    "pycparser",
    "cffi",
    "subprocess",
    "tempfile",
    "platformdirs",
    "click",
    "rich",
    "json",
    "sysconfig",
)
CALL = """
import sys, numpy
before = set(sys.modules)
import tapeless
f = tapeless.compile("w*x + b")
assert f(2.0, 3.0, 1.0) == 7.0
assert f.backward(1.0, 2.0, 3.0, 1.0) == (3.0, 2.0, 1.0)
print(*sorted(name for name in sys.modules if name not in before))
"""


def modules(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_warm_start_is_light(empty_cache):
    cold = modules(CALL)
    assert {"sympy", "jinja2"} <= cold
    warm = modules(CALL)
    assert not {name for name in warm if name.partition(".")[0] in HEAVY}
    assert "tapeless.runtime.warm" in warm
    assert not {name for name in warm if name.startswith(("tapeless.frontend.", "tapeless.targets."))}


@pytest.mark.parametrize("door", ["wrt='x'", "dtype='float32'", "name='line'", "inputs=['b', 'x', 'w']"])
def test_options_are_part_of_the_key(door, empty_cache):
    plain = "import tapeless; f = tapeless.compile('w*x + b'{}); print(repr(f).replace(' ', '_'), *f.wrt)"
    first = modules(plain.format(""))
    second = modules(plain.format(f", {door}"))
    assert first != second


def test_importing_is_light():
    found = modules(
        "import sys, numpy\nbefore = set(sys.modules)\nimport tapeless\nprint(*set(sys.modules) - before)"
    )
    assert not {name for name in found if name.partition(".")[0] in HEAVY}
