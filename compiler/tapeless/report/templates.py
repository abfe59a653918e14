"""The templates of pages: everything that is put into them is escaped, but markup."""

from __future__ import annotations

from functools import cache

import jinja2

from tapeless.targets.c.templates import template_text


@cache
def environment() -> jinja2.Environment:
    """Return the environment."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(template_text),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
