"""Source code: exact text, a block for each definition."""

from __future__ import annotations

import pytest

from tests.text.clean_laws import cleaned, labels, parts

PYTHON = '''"""Doc."""
import os


# About Foo.
@decorated
class Foo(Bar):
    x = 1

    # About run.
    @property
    def run(self):

        def inner():
            return 1

        return 2


async def alone(): ...


alone()
'''


def test_python() -> None:
    document = cleaned(PYTHON, "text/x-python")
    assert document.text == PYTHON.strip("\n")
    assert labels(document) == [(1, "class Foo"), (2, "def run"), (1, "async def alone")]
    found = parts(document)
    assert [kind for kind, _ in found] == ["code", *["definition"] * 3, "code"]
    assert found[1][1] == "# About Foo.\n@decorated\nclass Foo(Bar):\n    x = 1"
    assert found[2][1].startswith("    # About run.\n    @property\n")
    assert found[2][1].endswith("        return 2")


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        (
            "go",
            "package x\n\n// S serves.\ntype S struct {\n\ta int\n}\n\nfunc (s *S) Run() {}\n",
            [(1, "type S"), (1, "func (s *S) Run")],
        ),
        (
            "go",
            "package x\n\ntype (\n\tA int\n\tB string\n)\n\ntype C = A\n",
            [(1, "type A, B"), (1, "type C")],
        ),
        (
            "java",
            "class A {\n  @Override public int f() { return 1; }\n\n"
            '  @SuppressWarnings("x") @Test\n  public void g() {}\n}\n',
            [(1, "class A"), (2, "public int f"), (2, "public void g")],
        ),
        (
            "typescript",
            "@Plain class A {\n  @Input() get value() { return 1; }\n}\n",
            [(1, "class A"), (2, "get value")],
        ),
        (
            "c",
            "typedef struct node {\n  struct node *next;\n} Node;\n\ntypedef unsigned long size;\n",
            [(1, "typedef struct node Node"), (1, "typedef unsigned long size")],
        ),
        (
            "rust",
            "#[derive(Debug)]\npub struct A;\n\nimpl Foo for A {\n    fn new() -> A { A }\n}\n",
            [(1, "pub struct A"), (1, "impl Foo for A"), (2, "fn new")],
        ),
        (
            "java",
            "class Foo {\n    int a;\n\n    @Override\n    public void run() {}\n}\n",
            [(1, "class Foo"), (2, "public void run")],
        ),
        (
            "c",
            "#include <a.h>\nstatic int *foo(int a)\n{\n}\nstruct p { int x; };\n",
            [(1, "static int *foo"), (1, "struct p")],
        ),
        (
            "cpp",
            "namespace a {\ntemplate <class T>\nclass Foo {\n  int bar() { return 1; }\n};\n}\n",
            [(1, "namespace a"), (2, "class Foo"), (3, "int bar")],
        ),
        (
            "ruby",
            "module A\n  class B < C\n    def self.y\n    end\n  end\nend\n",
            [(1, "module A"), (2, "class B"), (3, "def self.y")],
        ),
        (
            "javascript",
            "const f = () => 1;\nclass A {\n  x() {}\n}\n",
            [(1, "const f"), (1, "class A"), (2, "x")],
        ),
        (
            "typescript",
            "export interface X { a: string }\nexport class A {\n  async n(): void {}\n}\n",
            [(1, "interface X"), (1, "class A"), (2, "async n")],
        ),
        ("tsx", "export function A() { return <p>x</p> }\n", [(1, "function A")]),
    ],
)
def test_definitions(language: str, source: str, expected: list[tuple[int, str]]) -> None:
    document = cleaned(source, f"text/x-{language}")
    assert document.text == source.strip("\n")
    assert labels(document) == expected


def test_closing_braces_stay_with_what_they_close() -> None:
    document = cleaned("class A {\n    void x() {}\n}\n", "text/x-java")
    assert parts(document)[-1] == ("definition", "    void x() {}\n}")


def test_syntax_errors_do_not_matter() -> None:
    document = cleaned("def a(:\n    pass\n\ndef b():\n    return (\n", "text/x-python")
    assert "def b" in document.text


def test_other_languages_are_cut_at_blank_lines() -> None:
    document = cleaned("f() {\n  x\n\n  y\n}\n\ng() {\n}\n", "text/x-shell")
    assert parts(document) == [("code", "f() {\n  x\n\n  y\n}"), ("code", "g() {\n}")]
    assert document.title == ""
