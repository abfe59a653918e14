"""Records are written by the interpreter itself, in a format that every Python 3 reads."""

import subprocess
import sys

import pytest

from tapeless.runtime.records import from_bytes, to_bytes

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
    assert from_bytes(to_bytes(value)) == value


def test_what_is_no_plain_value_is_refused():
    with pytest.raises(ValueError, match="unmarshallable"):
        to_bytes({"a": object()})


def test_the_format_does_not_depend_on_the_version():
    assert to_bytes({"a": [1, "x"]}).hex() == "7b7501000000615b02000000690100000075010000007830"


def test_nothing_is_imported_to_read():
    code = (
        "import sys, tapeless.runtime.records as r; before = set(sys.modules); r.from_bytes(r.to_bytes([1]));"
        "print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
