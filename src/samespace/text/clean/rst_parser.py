"""docutils, set up to read any reStructuredText: nothing included, executed, printed or lost.

docutils refuses directives and roles that it does not know, and most documents are written for
Sphinx, which knows more. Here each unknown one keeps its words. Nothing is registered globally,
so that other users of docutils in the process see no change.
"""

# ruff: noqa: SIM905 - long lists of names read best as running text
from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from docutils import nodes, utils
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Directive, Parser, states

DROPPED = frozenset(
    "contents toctree index highlight include literalinclude raw sectnum section-numbering "
    "currentmodule module tabularcolumns meta header footer role default-role only-html "
    "target-notes automodule autoclass autofunction".split()
)
_CODE = frozenset(("code", "code-block", "sourcecode", "ipython", "prompt", "productionlist"))
_TITLED = re.compile(r"(.+?)\s*<[^<>]*>$", re.DOTALL)
_NUMBER = re.compile(r"\s*0*(\d+)")


class _AnyOption(dict[str, Callable[[str], Any]]):
    """The options of a directive of which nothing is known: whatever stands there."""

    def __missing__(self, key: str) -> Callable[[str], Any]:
        return str


_ANY = _AnyOption(name=str)


class _Unknown(Directive):
    """Keeps the argument and the content of a directive that is not known."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = _ANY

    def run(self) -> list[nodes.Node]:
        found = nodes.container()
        if self.arguments:
            words, _ = self.state.inline_text(self.arguments[0], self.lineno)
            found += nodes.paragraph("", "", *words)
        if self.content:
            self.state.nested_parse(self.content, self.content_offset, found)
        return [found]


class _Code(_Unknown):
    def run(self) -> list[nodes.Node]:
        code = "\n".join(self.content)
        return [nodes.literal_block(code, code)]


class _Dropped(_Unknown):
    def run(self) -> list[nodes.Node]:
        return [nodes.comment(self.block_text, self.block_text)]


def _interpreted(
    rawsource: str, text: str, role: str, lineno: int
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Read a role as its words: ``:func:`~a.b``` is "b", ``:pep:`8``` is "PEP 8"."""
    return [nodes.Text(role_words(role.lower(), nodes.unescape(text)))], []


def role_words(role: str, text: str) -> str:
    """Return what a reader sees of an interpreted text."""
    titled = _TITLED.match(text)
    if titled and role not in ("math", "code", "samp", "kbd", "literal"):
        return titled[1]
    if role in ("pep", "rfc", "pep-reference", "rfc-reference"):
        number = _NUMBER.match(text)
        return f"{role[:3].upper()} {number[1] if number else text}"
    if role in ("sup", "superscript") and text.isdigit():
        return f"^{text}"
    if text.startswith("~"):
        return text.rpartition(".")[2].lstrip("~")
    return text.lstrip("!") if role and role not in ("math", "code") else text


class _Words:
    """What the states of docutils' machine do differently here."""

    nested_sm_cache: list[Any] = []  # noqa: RUF012 - docutils shares it between states

    def __init__(self, state_machine: Any, debug: bool = False) -> None:
        super().__init__(state_machine, debug)  # type: ignore[call-arg]
        self.nested_sm_kwargs = {"state_classes": _state_classes(), "initial_state": "Body"}

    def run_directive(
        self, directive: Any, match: Any, type_name: str, option_presets: dict[str, Any]
    ) -> tuple[list[nodes.Node], bool]:
        name = type_name.lower()
        if name in DROPPED:
            directive = _Dropped
        elif name in _CODE:
            directive = _Code
        result: tuple[list[nodes.Node], bool] = super().run_directive(  # type: ignore[misc]
            directive, match, type_name, option_presets
        )
        return result

    def unknown_directive(self, type_name: str) -> tuple[list[nodes.Node], bool]:
        line: str = self.state_machine.line  # type: ignore[attr-defined]
        match = re.match(rf"\.\.[ ]+{re.escape(type_name)}[ ]?::(?:[ ]+|$)", line)
        if match is not None:
            return self.run_directive(_Unknown, match, type_name, {})
        result: tuple[list[nodes.Node], bool] = super().unknown_directive(  # type: ignore[misc]
            type_name
        )
        return result


@functools.cache
def _state_classes() -> tuple[type, ...]:
    # States are found by their names, so each keeps its own.
    return tuple(type(state.__name__, (_Words, state), {}) for state in states.state_classes)


@functools.cache
def _settings() -> Any:
    settings = get_default_settings(Parser)
    settings.report_level = 5
    settings.halt_level = 6
    settings.warning_stream = False
    settings.syntax_highlight = "none"
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings.pep_references = False
    settings.rfc_references = False
    settings.smart_quotes = False
    settings.line_length_limit = 1_000_000
    return settings


def parse(text: str) -> nodes.document:
    """Return the document tree before any transform: only its words and structure are wanted."""
    inliner: Any = states.Inliner()
    # On the object, since docutils looks up its patterns in the class and not in a parent's.
    inliner.interpreted = _interpreted
    parser = Parser(inliner=inliner)
    parser.state_classes = _state_classes()
    document = utils.new_document("", _settings().copy())
    parser.parse(text, document)
    return document
