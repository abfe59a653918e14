"""The jinja2 environment: templates from the installed package, from a zip, or from the checkout."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2


def template_text(name: str) -> str | None:
    """Return the text of a template by its path under `templates/`, None where there is none."""
    packaged = files("tapeless").joinpath("templates", *name.split("/"))
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # An editable install has the package in compiler/ and the templates beside it.
    beside = Path(__file__).parents[4].joinpath("templates", *name.split("/"))
    return beside.read_text(encoding="utf-8") if beside.is_file() else None


@cache
def environment() -> jinja2.Environment:
    """Return the environment; undefined names are errors, line structure is the template's own."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(template_text),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
