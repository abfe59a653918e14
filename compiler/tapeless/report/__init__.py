"""Reports: a page about a function, and how it shows itself in a notebook."""

from __future__ import annotations

from tapeless.report.page import Report, report

__all__ = ["Report", "report"]
