"""Filters: the grammar, its errors, and that SQL says what the tree means, whatever the values."""

from __future__ import annotations

import doctest
import math
import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.errors import FilterError
from samespace.store import where
from samespace.store.schema import migrate
from samespace.store.where import parse
from samespace.store.where_sql import metadata_rows, to_sql
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
    Or,
    StartsWith,
)

MISSING = object()


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    return kind(a) == kind(b) and bool(a == b)


def accepts(node: Node, document: Mapping[str, Any]) -> bool:
    """What a filter means, said in Python. `document` has the built-in fields and "metadata"."""

    def get(field: Field) -> Any:
        if field.built_in:
            return document[field.name]
        return document["metadata"].get(field.name, MISSING)

    match node:
        case And(parts):
            return all(accepts(part, document) for part in parts)
        case Or(parts):
            return any(accepts(part, document) for part in parts)
        case Not(inner):
            return not accepts(inner, document)
        case Exists(field):
            return get(field) is not MISSING
        case Compare(field, "=", value):
            return same(get(field), value)
        case Compare(field, "!=", value):
            return get(field) is not MISSING and not same(get(field), value)
        case Compare(field, operator, value):
            found = get(field)
            if kind(found) != kind(value) or not isinstance(found, str | int | float):
                return False
            return {
                "<": found < value,
                "<=": found <= value,
                ">": found > value,
                ">=": found >= value,
            }[operator]
        case In(field, values, negated):
            found = get(field)
            inside = any(same(found, value) for value in values)
            return (found is not MISSING and not inside) if negated else inside
        case Contains(field, value):
            found = get(field)
            if isinstance(found, tuple):
                return any(same(member, value) for member in found)
            return isinstance(found, str) and isinstance(value, str) and value in found
        case StartsWith(field, value):
            found = get(field)
            return isinstance(found, str) and found.startswith(value)
    raise AssertionError(node)


def quoted(value: Any, quote: str) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, str):
        return quote + value.replace(quote, quote * 2) + quote
    return repr(value)


def written(node: Node, quote: str) -> str:
    """A filter as a user would write it."""

    def name(field: Field) -> str:
        shadowed = not field.built_in and (
            field.name in BUILT_IN or field.name.startswith("metadata.")
        )
        full = "metadata." + field.name if shadowed else field.name
        return "`" + full.replace("`", "``") + "`"

    match node:
        case And(parts):
            return "(" + " AND ".join(written(part, quote) for part in parts) + ")"
        case Or(parts):
            return "(" + " or ".join(written(part, quote) for part in parts) + ")"
        case Not(inner):
            return f"NOT {written(inner, quote)}"
        case Exists(field):
            return f"{name(field)} EXISTS"
        case Compare(field, operator, value):
            return f"{name(field)} {operator} {quoted(value, quote)}"
        case In(field, values, negated):
            members = ", ".join(quoted(value, quote) for value in values)
            return f"{name(field)} {'NOT ' * negated}IN ({members})"
        case Contains(field, value):
            return f"{name(field)} contains {quoted(value, quote)}"
        case StartsWith(field, value):
            return f"{name(field)} starts with {quoted(value, quote)}"
    raise AssertionError(node)


NASTY = """ ' '' " ` % _ a%b ; '; x'OR'1'='1 '||x||' a b ab abc ß é e\u0301 1 null ? ?1 :a $b @c """
nasty = st.sampled_from(
    ["", " ", "ß\x00a", "\x00", "\U0001f600", "'; DROP TABLE documents; --", *NASTY.split()]
)
strings = nasty | st.text(st.characters(codec="utf-8"), max_size=6)
numbers = (
    st.integers(-3, 3)
    | st.sampled_from([0.5, -0.0, 1e300, 2**53, 2**53 + 1, float(2**53), 2**63, -(2**63), 10**30])
    | st.floats(allow_nan=False, allow_infinity=False)
)
scalars = strings | numbers | st.booleans() | st.none()
names = (
    st.sampled_from(["a", "b", "tags", "title", "id", "source", "metadata.a", "AND", "sp ace"])
    | nasty.filter(bool)
)  # fmt: skip
metadata = st.dictionaries(names, scalars | st.lists(scalars, max_size=3).map(tuple), max_size=5)
documents = st.fixed_dictionaries(
    {"source": strings, "title": strings, "media": strings, "metadata": metadata}
)
fields = st.sampled_from([Field(name, True) for name in BUILT_IN]) | names.map(
    lambda name: Field(name, False)
)
ordered = st.builds(Compare, fields, st.sampled_from(["<", "<=", ">", ">="]), strings | numbers)
leaves = (
    st.builds(Compare, fields, st.sampled_from(["=", "!="]), scalars)
    | ordered
    | st.builds(In, fields, st.lists(scalars, min_size=1, max_size=3).map(tuple), st.booleans())
    | st.builds(Contains, fields, scalars)
    | st.builds(StartsWith, fields, strings)
    | st.builds(Exists, fields)
)
nodes = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts)))
    ),
    max_leaves=6,
)


@settings(max_examples=250, deadline=None)
@given(
    held=st.lists(documents, min_size=1, max_size=5),
    node=nodes,
    quote=st.sampled_from("'\""),
    data=st.data(),
)
def test_sql_accepts_exactly_what_the_tree_means(
    held: list[dict[str, Any]], node: Node, quote: str, data: st.DataObject
) -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database, 0)
    for number, document in enumerate(held):
        document["id"] = f"id'{number}"
        database.execute(
            "INSERT INTO documents VALUES (?, ?, ?, '', ?, ?, '', '', 0, '', '', '')",
            (number, document["id"], document["source"], document["title"], document["media"]),
        )
        database.executemany(
            "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
            [(number, *row) for row in metadata_rows(document["metadata"])],
        )
    # Half of the time, ask for something that one of them has.
    present = [(k, v) for document in held for k, v in document["metadata"].items()]
    if present and data.draw(st.booleans()):
        name, value = data.draw(st.sampled_from(present))
        member = value[0] if isinstance(value, tuple) and value else value
        if not isinstance(member, tuple):
            node = Or((node, Compare(Field(name, False), "=", member)))
            node = Or((node, Contains(Field(name, False), member)))
    text = written(node, quote)
    parsed = parse(text)
    sql, values = to_sql(parsed)
    assert sql.count("?") == len(values)
    found = {
        number
        for (number,) in database.execute(
            f"SELECT d.number FROM documents d WHERE {sql} ORDER BY d.number", values
        )
    }
    expected = {number for number, document in enumerate(held) if accepts(node, document)}
    assert found == expected, text
    database.close()


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40) | st.lists(
    st.sampled_from(["a", "=", "'x'", "(", ")", "AND", "OR", "NOT", "IN", ",", "1", "EXISTS", "`"])
).map(" ".join))  # fmt: skip
def test_anything_parses_or_is_a_filter_error(text: str) -> None:
    try:
        node = parse(text)
    except FilterError:
        return
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database, 0)
    sql, values = to_sql(node)
    database.execute(f"SELECT d.number FROM documents d WHERE {sql}", values).fetchall()
    database.close()


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("year>=2020", Compare(Field("year", False), ">=", 2020)),
        ("year > -1.5e3", Compare(Field("year", False), ">", -1500.0)),
        ("a.b = 'it''s'", Compare(Field("a.b", False), "=", "it's")),
        ('a == "say ""hi"""', Compare(Field("a", False), "=", 'say "hi"')),
        ("title <> ''", Compare(Field("title", True), "!=", "")),
        ("metadata.title = null", Compare(Field("title", False), "=", None)),
        ("`or` = TRUE", Compare(Field("or", False), "=", True)),
        ("über IN (1, 'a')", In(Field("über", False), (1, "a"))),
        ("x not in (1)", In(Field("x", False), (1,), negated=True)),
        ("tags CONTAINS 'a'", Contains(Field("tags", False), "a")),
        ("source STARTS WITH '/docs'", StartsWith(Field("source", True), "/docs")),
        ("not a exists", Not(Exists(Field("a", False)))),
        (
            "a=1 or b=2 and not c=3",
            Or(
                (
                    Compare(Field("a", False), "=", 1),
                    And(
                        (
                            Compare(Field("b", False), "=", 2),
                            Not(Compare(Field("c", False), "=", 3)),
                        )
                    ),
                )
            ),
        ),
        (
            "(a=1 or b=2) and c=3",
            And(
                (
                    Or((Compare(Field("a", False), "=", 1), Compare(Field("b", False), "=", 2))),
                    Compare(Field("c", False), "=", 3),
                )
            ),
        ),
    ],
)
def test_grammar(text: str, node: Node) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "the name of a field"),
        ("   ", 3, "the name of a field"),
        ("year", 4, "a comparison"),
        ("year =", 6, "a value"),
        ("year = en", 7, "a value"),
        ("year = 'en", 7, "a closing '"),
        ("`year = 1", 0, "a closing `"),
        ("year = 1 lang = 2", 9, "AND, OR or the end"),
        ("(year = 1", 9, "a closing parenthesis"),
        ("year = 1)", 8, "AND, OR or the end"),
        ("year IN 1", 8, "a list of values"),
        ("year IN ()", 9, "a value"),
        ("year IN (1", 10, "a comma or a closing"),
        ("year NOT 1", 9, "IN after NOT"),
        ("year STARTS 'x'", 12, "WITH"),
        ("year STARTS WITH 1", 17, "a string in quotes"),
        ("year < true", 7, "a number or a string"),
        ("AND = 1", 0, "backticks"),
        ("year = 12ab", 7, "a field, a value"),
        ("a = 1 AND", 9, "the name of a field"),
        ("a = 1; DROP TABLE chunks", 5, "a field, a value"),
        ("a = '\ud800'", 5, "surrogates"),
        ("(" * 500 + "a = 1" + ")" * 500, 65, "in one another"),
        (" AND ".join(["a = 1"] * 300), None, "at most 256 comparisons"),
        (f"a IN ({', '.join('1' * 10_001)})", None, "at most 10000 values"),
    ],
)  # fmt: skip
def test_errors_say_where_and_what(text: str, position: int | None, expected: str) -> None:
    with pytest.raises(FilterError) as error:
        parse(text)
    assert expected in str(error.value)
    if position is not None:
        assert f"position {position}:" in str(error.value)
        message, _, mark = str(error.value).split("\n")
        assert mark.index("^") == position + 2
        assert "expected" in message
        assert "got" in message


def test_not_a_number_equals_nothing() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database, 0)
    database.execute("INSERT INTO documents VALUES (1, 'a', '', '', '', '', '', '', 0, '', '', '')")
    rows = metadata_rows({"x": math.nan})
    database.executemany("INSERT INTO metadata VALUES (1, ?, ?, ?, ?)", list(rows))

    def count(text: str) -> int:
        sql, values = to_sql(parse(text))
        rows = database.execute(f"SELECT count(*) FROM documents d WHERE {sql}", values)
        return int(rows.fetchone()[0])

    assert [count(text) for text in ("x = 0", "x < 9", "x > 0", "x EXISTS", "x != 0")] == [
        0, 0, 0, 1, 1,
    ]  # fmt: skip
    database.close()


def test_examples() -> None:
    assert doctest.testmod(where).attempted > 0
    assert doctest.testmod(where).failed == 0
