"""Filters on documents: a small language, parsed into a tree that cannot hold anything else.

::

    lang = 'en' AND (year >= 2020 OR tags CONTAINS 'pinned') AND NOT draft = true

=============================== ============================================================
`field = 'x'`                   the field is exactly this string, number, boolean or null
`field != 'x'`                  the field exists and is something else
`field < 1` `<=` `>` `>=`       numbers by value, strings by code point
`field IN ('a', 1)`             it equals one of these
`field NOT IN ('a', 1)`         the field exists and equals none of these
`field CONTAINS 'x'`            a string holds this substring, or a list has this member
`field STARTS WITH 'x'`         a string begins so
`field EXISTS`                  the document has the field, whatever its value
`NOT a` `a AND b` `a OR b`      in this order of precedence; parentheses group
=============================== ============================================================

*Values* are strings in single or double quotes (a quote inside is doubled), numbers, `true`,
`false` and `null`. Nothing is converted: a number never equals a string, and a comparison
between types is false. So `NOT lang = 'en'` accepts documents without `lang`, and
`lang != 'en'` does not.

*Fields* are `id`, `source`, `title` and `media` of the document (these always exist), and else
names of its metadata. A metadata field that is shadowed by one of those is written
`metadata.title`. A name that is not letters, digits, underscores and dots stands in backticks
(a backtick inside is doubled). Keywords are not case-sensitive; names and strings are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from samespace.errors import FilterError
from samespace.store.where_tree import (
    BUILT_IN,
    And,
    Compare,
    Contains,
    Exists,
    Field,
    In,
    Node,
    Not,
    Operator,
    Or,
    StartsWith,
)
from samespace.types import Scalar

MOST_VALUES = 10_000
"""Values in one filter: below what SQLite takes as parameters."""
MOST_TERMS = 256
"""Comparisons in one filter, and parentheses in one another."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*' | "(?:[^"]|"")*")
      | (?P<name>`(?:[^`]|``)+`)
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<word>[^\W\d][\w]*(?:\.\w+)*)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)
_OPERATORS: dict[str, Operator] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_CONSTANTS: dict[str, Scalar] = {"TRUE": True, "FALSE": False, "NULL": None}
_KEYWORDS = {"AND", "OR", "NOT", "IN", "CONTAINS", "STARTS", "WITH", "EXISTS", *_CONSTANTS}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def keyword(self) -> str:
        """The word in capitals if it is one of the language's own, else ""."""
        upper = self.text.upper()
        return upper if self.kind == "word" and upper in _KEYWORDS else ""


def parse(where: str) -> Node:
    """Return the tree of a filter.

    >>> parse("year >= 2020 AND lang = 'en'").parts[1]
    Compare(field=Field(name='lang', built_in=False), operator='=', value='en')

    Raises:
        FilterError: it does not parse; the message has the position and what was expected.
    """
    if not isinstance(where, str):
        raise FilterError(
            f'a filter is a string such as "year >= 2020", got {type(where).__name__}'
        )
    return _parsed(where)


@lru_cache(maxsize=64)
def _parsed(where: str) -> Node:
    parser = _Parser(where)
    node = parser.any_of(0)
    if parser.here.kind != "end":
        parser.fail("AND, OR or the end of the filter")
    return node


class _Parser:
    def __init__(self, where: str) -> None:
        self.where = where
        self.tokens = self._split()
        self.index = 0
        self.terms = 0
        self.values = 0

    @property
    def here(self) -> _Token:
        return self.tokens[self.index]

    def fail(self, expected: str, position: int | None = None) -> NoReturn:
        at = self.here.position if position is None else position
        seen = repr(self.where[at : at + 20]) if self.where[at:].strip() else "the end"
        line = self.where.replace("\n", " ").replace("\t", " ")
        raise FilterError(
            f"the filter does not parse at position {at}: expected {expected}, got {seen}\n"
            f"  {line}\n  {' ' * at}^"
        )

    def any_of(self, depth: int) -> Node:
        parts = [self.all_of(depth)]
        while self._take("OR"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self, depth: int) -> Node:
        parts = [self.negation(depth)]
        while self._take("AND"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self, depth: int) -> Node:
        if depth > MOST_TERMS // 4:
            self.fail(f"at most {MOST_TERMS // 4} parentheses and NOTs in one another")
        if self._take("NOT"):
            return Not(self.negation(depth + 1))
        if self._sign("("):
            node = self.any_of(depth + 1)
            if not self._sign(")"):
                self.fail("AND, OR or a closing parenthesis")
            return node
        return self.term()

    def term(self) -> Node:
        self.terms += 1
        if self.terms > MOST_TERMS:
            self.fail(f"at most {MOST_TERMS} comparisons in one filter")
        field = self.field()
        if self.here.kind == "sign" and self.here.text in _OPERATORS:
            operator = _OPERATORS[self.here.text]
            self.index += 1
            return self._compare(field, operator)
        if self._take("IN"):
            return In(field, self.values_in_parentheses())
        if self._take("CONTAINS"):
            return Contains(field, self.value())
        if self._take("STARTS"):
            if not self._take("WITH"):
                self.fail("WITH after STARTS")
            position = self.here.position
            value = self.value()
            if not isinstance(value, str):
                self.fail("a string in quotes after STARTS WITH", position)
            return StartsWith(field, value)
        if self._take("EXISTS"):
            return Exists(field)
        if self._take("NOT"):
            if not self._take("IN"):
                self.fail("IN after NOT")
            return In(field, self.values_in_parentheses(), negated=True)
        self.fail("a comparison (=, !=, <, <=, >, >=, IN, NOT IN, CONTAINS, STARTS WITH, EXISTS)")

    def _compare(self, field: Field, operator: Operator) -> Compare:
        position = self.here.position
        value = self.value()
        if operator not in ("=", "!=") and (value is None or isinstance(value, bool)):
            self.fail(f"a number or a string after {operator}", position)
        return Compare(field, operator, value)

    def field(self) -> Field:
        token = self.here
        if token.kind == "name":
            name = token.text[1:-1].replace("``", "`")
        elif token.kind == "word" and not token.keyword:
            name = token.text
        else:
            self.fail("the name of a field (a keyword as a name stands in backticks)")
        self.index += 1
        if name in BUILT_IN:
            return Field(name, True)
        return Field(name.removeprefix("metadata.") or name, False)

    def values_in_parentheses(self) -> tuple[Scalar, ...]:
        if not self._sign("("):
            self.fail("a list of values in parentheses")
        values = [self.value()]
        while self._sign(","):
            values.append(self.value())
        if not self._sign(")"):
            self.fail("a comma or a closing parenthesis")
        return tuple(values)

    def value(self) -> Scalar:
        token = self.here
        self.values += 1
        if self.values > MOST_VALUES:
            self.fail(f"at most {MOST_VALUES} values in one filter")
        value: Scalar
        if token.kind == "string":
            quote = token.text[0]
            value = token.text[1:-1].replace(quote * 2, quote)
        elif token.kind == "number":
            whole = token.text.lstrip("+-").isdigit()
            # A number of very many digits is refused by int(); as a float it is infinite.
            value = int(token.text) if whole and len(token.text) < 100 else float(token.text)
        elif token.keyword in _CONSTANTS:
            value = _CONSTANTS[token.keyword]
        else:
            self.fail("a value: a string in quotes, a number, true, false or null")
        self.index += 1
        return value

    def _take(self, keyword: str) -> bool:
        if self.here.keyword != keyword:
            return False
        self.index += 1
        return True

    def _sign(self, sign: str) -> bool:
        if self.here.kind != "sign" or self.here.text != sign:
            return False
        self.index += 1
        return True

    def _split(self) -> list[_Token]:
        try:
            self.where.encode("utf-8")
        except UnicodeEncodeError as error:
            self.fail("text without lone surrogates", error.start)
        tokens: list[_Token] = []
        at = 0
        while not tokens or tokens[-1].kind != "end":
            match = _TOKEN.match(self.where, at)
            if match is None:
                at += len(self.where[at:]) - len(self.where[at:].lstrip())
                quote = self.where[at]
                if quote in "'\"`":
                    self.fail(f"a closing {quote} for the quote that opens here", at)
                self.fail("a field, a value, a comparison or a parenthesis", at)
            kind = match.lastgroup or "end"
            tokens.append(_Token(kind, match.group(kind), match.start(kind)))
            at = match.end()
        return tokens
