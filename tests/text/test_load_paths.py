"""Which files the given paths stand for, now and after some were deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samespace.errors import InputError
from samespace.text.load import LoadOptions, in_scope, load, scope

from .load_files import loaded


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md", ".hidden/e.md", "odd[1].md", "x/c.md"]
    for name in names:
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs"


def names(root: Path, *paths: str) -> list[str]:
    return [os.path.relpath(document.origin, root) for document in loaded(paths).documents]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("docs/*.md", ["a.md", "odd[1].md"]),
        ("docs/?.*", ["a.md", "b.txt"]),
        ("docs/[ab].*", ["a.md", "b.txt"]),
        ("docs/**/*.md", ["a.md", "odd[1].md", "sub/c.md", "sub/deep/d.md", "x/c.md"]),
        ("docs/*/c.md", ["sub/c.md", "x/c.md"]),
        ("docs/s*", ["sub/c.md", "sub/deep/d.md"]),
        ("docs/**", ["a.md", "b.txt", "odd[1].md", "sub/c.md", "sub/deep/d.md", "x/c.md"]),
        ("docs/.h*/*.md", [".hidden/e.md"]),
        ("docs/**/deep", ["sub/deep/d.md"]),
        ("docs/odd[1].md", ["odd[1].md"]),
    ],
)
def test_globs(docs: Path, pattern: str, expected: list[str]) -> None:
    assert names(docs, pattern) == expected
    # Whatever a glob finds is in its scope, and what it does not find is not.
    # (Below a folder that is found everything is: `docs/**` finds `docs` itself.)
    hidden = [] if pattern.endswith("**") else ["docs/.hidden"]
    everything = names(docs, "docs", *hidden)
    in_it = [name for name in everything if in_scope(str(docs / name), pattern)]
    assert sorted(in_it) == sorted(expected)


def test_a_deleted_file_is_still_in_the_scope_of_a_glob(docs: Path) -> None:
    for path in ("docs/*.md", "docs/**/*.md", "docs", "docs/gone.md", ["x", "docs/*.md"]):
        assert in_scope(str(docs / "gone.md"), path)
    assert in_scope(str(docs / "gone" / "x.md"), "docs/g*")
    assert not in_scope(str(docs / "gone.txt"), "docs/*.md")
    assert not in_scope(str(docs / "sub" / "gone.md"), "docs/*.md")
    assert not in_scope(str(docs / ".gone.md"), "docs/*.md")
    assert not in_scope(f"{docs}-other/a.md", "docs")
    assert not in_scope(str(docs / "odd1.md"), "docs/odd[1].md")  # that file exists as it is named


def test_standard_input_has_its_own_scope(docs: Path) -> None:
    assert in_scope("-", ["docs", "-"])
    assert not in_scope("-", ["docs", "**"])
    assert not in_scope(str(docs / "a.md"), "-")


def test_scope_lists_what_is_there(docs: Path) -> None:
    assert scope(["docs/*.md", docs / "sub", "-"]) == [
        str(docs / "a.md"),
        str(docs / "odd[1].md"),
        str(docs / "sub"),
        "-",
    ]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["docs", "docs/gone.md"], r"'docs/gone.md' does not exist; looked for /.*/docs/gone.md"),
        (["docs", "docs/*.pdf"], r"no file matches 'docs/\*.pdf'; looked for /.*gitignore"),
        (["no/such/*.md"], "no file matches"),
        ([], "no paths given"),
        ([""], "expected a path, got ''"),
        ([b"docs"], "expected a path, got b'docs'"),
    ],
)
def test_wrong_paths_are_refused_before_anything_is_read(
    docs: Path, paths: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load(paths)  # not iterated


def test_all_wrong_paths_are_named_at_once(docs: Path) -> None:
    os.symlink("nowhere", docs / "dangling")
    with pytest.raises(InputError) as error:
        load(["one", "docs/two", "docs/dangling"])
    message = str(error.value)
    assert "'one' does not exist" in message
    assert "'docs/two' does not exist" in message
    assert "'docs/dangling' is a symbolic link to 'nowhere', which does not exist" in message


def test_a_single_path_is_taken_as_such(docs: Path) -> None:
    assert [d.origin for d in loaded("docs/a.md").documents] == [str(docs / "a.md")]
    assert len(loaded(docs).documents) == 6


def test_home_is_expanded(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(docs))
    assert names(docs, "~/a.md") == ["a.md"]
    assert in_scope(str(docs / "a.md"), "~/a.md")


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"text_field": ""}])
def test_wrong_options_are_refused(options: dict[str, int | str]) -> None:
    with pytest.raises(InputError, match="must"):
        LoadOptions(**options)  # type: ignore[arg-type]
