"""The demonstration's report: plots as inline SVG and one page that holds everything it shows."""

from workbench.report.page import render

__all__ = ["render"]
