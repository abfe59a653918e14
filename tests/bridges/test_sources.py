"""The C that stands between kernels and hosts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tapeless import bridges
from tapeless.runtime.headers import folders, numpy_headers, python_headers

BRIDGES = Path(bridges.__file__).parent


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", ["ufunc", "jax"])
def test_no_warnings(compiler, name, tmp_path):
    command = shutil.which(compiler)
    if command is None:
        pytest.skip(f"no {compiler}")
    if name == "jax":
        included = [pytest.importorskip("jax.ffi").include_dir()]
    else:
        included = folders((*python_headers(), *numpy_headers()))
    done = subprocess.run(
        [
            command,
            *(
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O1",
                "-fPIC",
                "-c",
                "-o",
                str(tmp_path / "object.o"),
            ),
            *(word for folder in included for word in ("-isystem", folder)),
            str(BRIDGES / f"{name}.c"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
