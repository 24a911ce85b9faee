"""The reference of the commands is in step with the commands (`make docs` writes it anew)."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from samespace.cli.main import cli

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = DOCS / "commands.md"
INTRODUCTION = """# Commands

Every command that reports something takes `--json`: one JSON document on standard output, and
nothing else there. Errors go to standard error. Exit codes: 0 done, 1 an error that you can mend,
2 wrong usage, 130 interrupted.
"""


def reference() -> str:
    """Return what `--help` prints, for every command."""
    parts = [INTRODUCTION]
    group = click.Context(
        cli, info_name="samespace", help_option_names=["-h", "--help"], terminal_width=90
    )

    def describe(command: click.Command, parent: click.Context, title: str) -> None:
        context = click.Context(
            command, parent=parent, info_name=command.name, max_content_width=90
        )
        parts.append(f"## {title}\n\n```text\n{command.get_help(context)}\n```\n")
        for name, inner in getattr(command, "commands", {}).items():
            describe(inner, context, f"{title} {name}")

    for name, command in cli.commands.items():
        describe(command, group, name)
    return "\n".join(parts)


def test_reference_is_in_step() -> None:
    # In a process of its own: a command remembers the help option of its first context.
    code = "from tests.test_docs import reference; print(reference())"
    root = DOCS.parent
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    written = REFERENCE.read_text(encoding="utf-8")
    assert written.split() == printed.split()  # where lines break depends on click's version


def test_figures_in_the_readme_are_the_saved_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS.parent / "benchmarks"))
    report = importlib.import_module("report")
    readme = report.README.read_text(encoding="utf-8")
    assert report.renewed(readme) == readme


def test_links_in_the_documents_lead_somewhere() -> None:
    looked = 0
    for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                looked += 1
                assert (page.parent / target).exists(), f"{page.name}: {target}"
    assert looked > 3


if __name__ == "__main__":
    os.environ["COLUMNS"] = "90"
    REFERENCE.write_text(reference(), encoding="utf-8")
