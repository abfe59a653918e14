"""Records are JSON, read without the package json."""

import json
import subprocess
import sys

import pytest

from tapeless.runtime.records import from_text, to_text

VALUES = [
    None,
    True,
    {"a": [1, -2, 3.5, 1e300, 'é\n"\\', None, [], {}], "b": {"c": False}},
    "",
    2**70,
    float("inf"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_written_and_read(value):
    assert from_text(to_text(value)) == value == json.loads(to_text(value))


@pytest.mark.parametrize("text", ["", "{", "[1,]", "{} {}", "nonsense", "'a'"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(text)


def test_the_package_json_is_not_needed_to_read():
    code = "import sys, tapeless.runtime.records as r; print(r.from_text('[1]'), 'json' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:  # the package is found by way of site alone
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[1]")
