"""Reports as pages: one file, no script, nothing fetched."""

from samespace.evaluate.html.comparison import write_comparison_html
from samespace.evaluate.html.report import write_report_html

__all__ = ["write_comparison_html", "write_report_html"]
