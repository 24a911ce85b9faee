"""Which nodes of each language's syntax tree are definitions."""

# ruff: noqa: SIM905 - long lists of names read best as running text
from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Parser


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language: where its parser is, what defines, what may hold further definitions."""

    package: str
    functions: frozenset[str]
    containers: frozenset[str]
    comments: tuple[str, ...]
    entry: str = "language"


def _grammar(
    package: str, functions: str, containers: str, comments: str, entry: str = "language"
) -> Grammar:
    return Grammar(
        f"tree_sitter_{package}",
        frozenset(functions.split()),
        frozenset(containers.split()),
        tuple(comments.split()),
        entry,
    )


_SCRIPT_FUNCTIONS = "function_declaration generator_function_declaration method_definition"
_TYPED = "type_alias_declaration enum_declaration interface_declaration"
_TYPED_CONTAINERS = "class_declaration abstract_class_declaration internal_module module"
_SLASHES = "// /* * @"
_TYPESCRIPT = _grammar(
    "typescript",
    f"{_SCRIPT_FUNCTIONS} {_TYPED}",
    _TYPED_CONTAINERS,
    _SLASHES,
    "language_typescript",
)
_C_TYPES = "struct_specifier union_specifier enum_specifier type_definition"

GRAMMARS = {
    "python": _grammar("python", "function_definition", "class_definition", "# @"),
    "javascript": _grammar("javascript", _SCRIPT_FUNCTIONS, "class_declaration", _SLASHES),
    "typescript": _TYPESCRIPT,
    "tsx": Grammar(
        _TYPESCRIPT.package,
        _TYPESCRIPT.functions,
        _TYPESCRIPT.containers,
        _TYPESCRIPT.comments,
        "language_tsx",
    ),
    "go": _grammar("go", "function_declaration method_declaration type_declaration", "", "// /* *"),
    "rust": _grammar(
        "rust",
        "function_item struct_item enum_item union_item macro_definition type_item",
        "impl_item trait_item mod_item",
        "// /* * #[",
    ),
    "java": _grammar(
        "java",
        "method_declaration constructor_declaration compact_constructor_declaration",
        "class_declaration interface_declaration enum_declaration record_declaration "
        "annotation_type_declaration",
        _SLASHES,
    ),
    "c": _grammar("c", f"function_definition {_C_TYPES}", "", "// /* *"),
    "cpp": _grammar(
        "cpp",
        f"function_definition alias_declaration {_C_TYPES}",
        "class_specifier struct_specifier namespace_definition",
        "// /* *",
    ),
    "ruby": _grammar("ruby", "method singleton_method", "class module", "#"),
}

WRAPPERS = frozenset(
    "decorated_definition export_statement template_declaration declaration_list block class_body "
    "body_statement field_declaration_list interface_body enum_body enum_body_declarations "
    "statement_block linkage_specification preproc_if preproc_ifdef preproc_else preproc_elif "
    "if_statement else_clause try_statement except_clause program source_file translation_unit "
    "module expression_statement ambient_declaration ERROR".split()
)
"""Nodes that hold definitions without being one."""


def new_parser(language: str) -> Parser:
    """Return a parser of a language in `GRAMMARS`; it is not to be shared between threads."""
    import tree_sitter

    return tree_sitter.Parser(_language(language))


@functools.cache
def _language(language: str) -> Language:
    import tree_sitter

    grammar = GRAMMARS[language]
    entry = getattr(importlib.import_module(grammar.package), grammar.entry)
    return tree_sitter.Language(entry())
