"""Templates are found from the checkout and from a zip; the wheel and sdist are looked at in test_packaging."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import jinja2
import pytest

from tapeless.targets.c.templates import environment, template_text

ROOT = Path(__file__).resolve().parents[3]


def test_every_template_is_found_here():
    for path in sorted((ROOT / "templates").rglob("*.j2")):
        assert template_text(path.relative_to(ROOT / "templates").as_posix()) == path.read_text(
            encoding="utf-8"
        )


def test_a_missing_template_is_an_error():
    assert template_text("c/nothing.j2") is None
    with pytest.raises(jinja2.TemplateNotFound):
        environment().get_template("c/nothing.j2")


def test_a_missing_field_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nothing }}").render()


def test_the_package_works_from_a_zip(tmp_path):
    archive = tmp_path / "tapeless.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for folder, prefix in ((ROOT / "compiler", Path()), (ROOT / "templates", Path("tapeless/templates"))):
            for path in folder.rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    bundle.write(path, prefix / path.relative_to(folder))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.path = [p for p in sys.path if 'compiler' not in p];"
        "import tapeless; assert '.zip' in tapeless.__file__, tapeless.__file__;"
        "f = tapeless.compile('x*y + sin(x)'); print(f.backward(1.0, 0.0, [2.0])[0], f(0.0, 1.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(archive)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3.0", "0.0"]
