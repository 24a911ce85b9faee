"""Walking: order, hidden names, .gitignore, links, duplicates, and what cannot be opened."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samespace.text.load import FileEnd, LoadOptions, load, total_bytes

from .load_files import Loaded, loaded


def tree(root: Path, *names: str, **contents: str) -> Path:
    """Make files whose content is their own name, unless given."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents.get(name, f"content of {name}"))
    return root


def found(root: Path, paths: object = None, options: LoadOptions | None = None) -> list[str]:
    result = loaded(root if paths is None else paths, options)
    return [os.path.relpath(document.origin, root) for document in result.documents]


def test_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    names = ["B.md", "a/z.md", "a.md", "b/c/d.md", "é.md", "c.md"]
    tree(tmp_path, *names)
    assert found(tmp_path) == ["B.md", "a/z.md", "a.md", "b/c/d.md", "c.md", "é.md"]


def test_hidden_names_are_left_out_unless_asked_for_or_named(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", ".hidden.md", ".dir/b.md", ".git/HEAD", ".github/c.md")
    assert found(tmp_path) == ["a.md"]
    assert found(tmp_path, [tmp_path / ".dir", tmp_path / ".hidden.md"]) == [
        ".dir/b.md",
        ".hidden.md",
    ]
    everything = found(tmp_path, options=LoadOptions(hidden=True))
    assert everything == [".dir/b.md", ".github/c.md", ".hidden.md", "a.md"]


IGNORED_BY_GIT = {
    ".gitignore": "*.log\nbuild/\n/only-here.md\n!keep.log\ndocs/*.tmp\n\n# note\n**/deep/x.md\n",
    "a.log": "",
    "keep.log": "",
    "build/out.md": "",
    "sub/build/out.md": "",
    "only-here.md": "",
    "sub/only-here.md": "",
    "docs/a.tmp": "",
    "docs/sub/a.tmp": "",
    "sub/.gitignore": "!a.log\n*.md\n!kept.md\n",
    "sub/a.log": "",
    "sub/b.log": "",
    "sub/lost.md": "",
    "sub/kept.md": "",
    "sub/deeper/kept.md": "",
    "p/q/deep/x.md": "",
    "build2/x.md": "",
}


def checkout(root: Path) -> Path:
    for name, content in IGNORED_BY_GIT.items():
        tree(root, name, **({name: content} if content else {}))
    (root / ".git" / "info").mkdir(parents=True)
    (root / ".git" / "info" / "exclude").write_text("build2\n")
    return root


def test_gitignore_files_are_honoured(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    expected = ["docs/sub/a.tmp", "keep.log", "sub/a.log", "sub/deeper/kept.md", "sub/kept.md"]
    assert found(root) == expected
    assert found(root, root / "sub") == expected[2:]
    assert len(found(root, options=LoadOptions(gitignore=False))) == len(IGNORED_BY_GIT) - 2


def test_git_itself_agrees(tmp_path: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    subprocess.run([git, "init", "-q", str(tmp_path)], check=True)
    shutil.rmtree(tmp_path / ".git" / "info", ignore_errors=True)
    for name, content in IGNORED_BY_GIT.items():
        tree(tmp_path, name, **({name: content} if content else {}))
    (tmp_path / ".git" / "info").mkdir()
    (tmp_path / ".git" / "info" / "exclude").write_text("build2\n")
    command = [git, "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert found(tmp_path) == sorted(name for name in listed if ".gitignore" not in name)


def test_an_ignored_folder_or_file_that_is_named_is_taken(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    assert found(root, [root / "build", root / "a.log"]) == ["build/out.md", "a.log"]
    assert found(root, root / "**" / "*.log") == ["keep.log", "sub/a.log"]


def test_a_broken_gitignore_does_not_stop_the_run(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "b.md")
    (tmp_path / ".gitignore").write_bytes(b"!\n\xff\xfe[\nb.md\n")
    assert found(tmp_path) == ["a.md"]


def test_links_are_followed_after_what_is_really_there(tmp_path: Path) -> None:
    tree(tmp_path, "in/z/real.md", "out/far.md", "out/deep/more.md")
    os.symlink("z", tmp_path / "in" / "a-link")
    os.symlink("z/real.md", tmp_path / "in" / "b-link.md")
    os.symlink(tmp_path / "out", tmp_path / "in" / "c-out")
    os.symlink("nowhere", tmp_path / "in" / "d-dangling.md")
    result = loaded(tmp_path / "in")
    assert [os.path.relpath(d.origin, tmp_path / "in") for d in result.documents] == [
        "z/real.md",
        "c-out/deep/more.md",
        "c-out/far.md",
    ]
    assert result.reasons == {
        "a-link": f"duplicate of {tmp_path}/in/z",
        "b-link.md": f"duplicate of {tmp_path}/in/z/real.md",
        "d-dangling.md": "unreadable: dangling symbolic link",
    }
    assert found(tmp_path / "in", options=LoadOptions(follow_links=False)) == ["z/real.md"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    tree(tmp_path, "a/one.md", "b/two.md")
    os.symlink(tmp_path / "a", tmp_path / "b" / "to-a")
    os.symlink(tmp_path / "b", tmp_path / "a" / "to-b")
    os.symlink("..", tmp_path / "a" / "up")
    os.symlink("self.md", tmp_path / "self.md")
    result = loaded(tmp_path)
    assert result.names == ["one.md", "two.md"]
    assert result.reasons["up"] == "symbolic-link loop"
    assert result.reasons["self.md"] == "symbolic-link loop"
    assert found(tmp_path, tmp_path / "a") == ["a/one.md", "a/to-b/two.md"]


def test_the_same_file_twice_is_one_document(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "sub/b.md")
    os.symlink("a.md", tmp_path / "one.md")
    os.link(tmp_path / "a.md", tmp_path / "two.md")
    (tmp_path / "copy.md").write_text("content of a.md")
    paths = [tmp_path / "a.md", f"{tmp_path}/./a.md", tmp_path / "one.md", tmp_path / "two.md"]
    result = loaded([*paths, tmp_path / "copy.md"])
    assert result.names == ["a.md"]
    reason = f"duplicate of {tmp_path}/a.md"
    assert result.reasons == dict.fromkeys(["one.md", "two.md", "copy.md"], reason)
    # A copy is not remembered: it is to be taken in once the first is gone.
    assert [(bool(end.digest), end.failed) for end in result.ends] == [
        (True, False),
        *[(False, False)] * 3,
    ]
    overlapping = loaded([tmp_path / "sub", tmp_path / "sub", tmp_path / "sub" / "b.md"])
    assert (overlapping.names, overlapping.skips) == (["b.md"], [])


def test_overlapping_folders_are_walked_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "sub/b.md", "sub/deep/c.md")
    result = loaded([tmp_path / "sub" / "deep", tmp_path / "sub", tmp_path, tmp_path])
    assert result.names == ["c.md", "b.md", "a.md"]
    assert result.skips == []


def test_a_copy_of_what_is_broken_is_broken(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.4 broken")
    reasons = loaded(tmp_path).reasons
    assert reasons["a.pdf"] == reasons["b.pdf"]
    assert reasons["a.pdf"].startswith("broken PDF file: ")


def test_empty_files_are_empty_and_not_duplicates(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    (tmp_path / "b.md").touch()
    assert loaded(tmp_path).reasons == {"a.md": "empty", "b.md": "empty"}


def test_what_is_no_file_does_not_hang(tmp_path: Path) -> None:
    tree(tmp_path, "folder.md/inside.md", "last.md")
    os.mkfifo(tmp_path / "pipe.md")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(tmp_path / "socket.md"))
    os.symlink("/dev/zero", tmp_path / "zero.md")
    started = time.monotonic()
    result = loaded([tmp_path, tmp_path / "pipe.md"])
    server.close()
    assert time.monotonic() - started < 5
    assert result.names == ["inside.md", "last.md"]
    assert result.reasons == {
        "pipe.md": "not a file but a pipe",
        "socket.md": "not a file but a socket",
        "zero.md": "not a file but a device",
    }


@pytest.fixture
def guarded() -> Iterator[Path]:
    """A folder in which permissions count, also where the tests are run by root."""
    loaded(Path(__file__))  # what is imported lazily must be there before
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    user = os.geteuid()
    try:
        yield root
    finally:
        if os.geteuid() != user:
            os.seteuid(user)
        for path in root.rglob("*"):
            path.chmod(0o755)
        shutil.rmtree(root)


def as_nobody() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


def test_what_may_not_be_read_is_said(guarded: Path) -> None:
    tree(guarded, "a.md", "closed/b.md", "z.md")
    (guarded / "a.md").chmod(0)
    (guarded / "closed").chmod(0)
    as_nobody()
    result = loaded(guarded)
    assert result.names == ["z.md"]
    assert result.reasons == {
        "a.md": "unreadable: Permission denied",
        "closed": "unreadable: Permission denied",
    }
    # A folder that cannot be listed says so: nothing is known about the files below it.
    assert FileEnd(str(guarded / "closed"), "", False, True, 0) in result.ends
    assert [skip.origin for skip in result.skips] == [skip.source for skip in result.skips]


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("coffee")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    (document,) = loaded(tmp_path).documents
    assert document.id == f"{tmp_path}/caf\\xe9.md"
    assert document.id.encode()


def test_deep_folders() -> None:
    here = os.getcwd()
    root = tempfile.mkdtemp()
    try:
        os.chdir(root)
        for _ in range(1200):  # deeper than Python's own stack
            os.mkdir("d")
            os.chdir("d")
        Path("deep.md").write_text("at the bottom")
        result = loaded(root)
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", root], check=True)  # shutil.rmtree recurses
    assert result.names == ["deep.md"]


def remembered(result: Loaded) -> dict[str, str]:
    return {end.origin: end.digest for end in result.ends if end.digest}


def test_unchanged_files_are_not_parsed(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "b.md", "copy-of-b.md", **{"copy-of-b.md": "content of b.md"})
    (tmp_path / "rows.jsonl").write_text('{"_id": "1", "text": "one"}\n')
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4")
    memory = remembered(loaded(tmp_path))
    assert sorted(os.path.basename(name) for name in memory) == ["a.md", "b.md", "rows.jsonl"]

    (tmp_path / "a.md").write_text("changed")
    asked = []

    def unchanged(origin: str, digest: str) -> bool:
        asked.append(os.path.basename(origin))
        return memory.get(origin) == digest

    again = loaded(tmp_path, None, unchanged)
    assert again.names == ["a.md"]
    assert [os.path.basename(end.origin) for end in again.ends if end.unchanged] == [
        "b.md",
        "rows.jsonl",
    ]
    # What was skipped is said again, and the copy is still a copy of an unchanged file.
    assert set(again.reasons) == {"broken.pdf", "copy-of-b.md"}
    assert asked == ["a.md", "b.md", "broken.pdf", "rows.jsonl"]


def test_the_digest_holds_the_options_that_matter(tmp_path: Path) -> None:
    tree(tmp_path, "a.md")
    (tmp_path / "b.jsonl").write_text('{"_id": "1", "text": "one", "body": "two"}\n')
    plain = remembered(loaded(tmp_path))
    other = remembered(loaded(tmp_path, LoadOptions(text_field="body")))
    assert plain[f"{tmp_path}/a.md"] == other[f"{tmp_path}/a.md"]
    assert plain[f"{tmp_path}/b.jsonl"] != other[f"{tmp_path}/b.jsonl"]
    forced = remembered(loaded(tmp_path, LoadOptions(format="text")))
    assert not set(forced.values()) & set(plain.values())


def test_errors_of_the_caller_go_through(tmp_path: Path) -> None:
    tree(tmp_path, "a.md")

    def fails(origin: str, digest: str) -> bool:
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="the database is gone"):
        list(load(tmp_path, unchanged=fails))


def test_a_file_that_vanishes_or_changes_under_way(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "b.md", "c.md")
    items = load(tmp_path)
    next(items)
    (tmp_path / "b.md").unlink()
    rest = [item for item in items if not isinstance(item, FileEnd)]
    assert rest[0].source == f"{tmp_path}/b.md"
    assert getattr(rest[0], "reason", "") == "unreadable: No such file or directory"
    assert getattr(rest[1], "text", "") == "content of c.md"


@pytest.mark.skipif(not os.path.exists("/proc/self/mounts"), reason="needs Linux's /proc")
def test_files_that_the_kernel_makes_up(tmp_path: Path) -> None:
    os.symlink("/proc/self/mounts", tmp_path / "mounts.txt")  # of size 0, and cannot be sought
    os.symlink("/proc/self/mem", tmp_path / "memory.txt")  # opens, and cannot be read
    result = loaded(tmp_path)
    assert result.names == ["mounts.txt"]
    assert result.reasons == {"memory.txt": "unreadable: Input/output error"}


def test_total_bytes(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "b.md", **{"a.md": "12345", "b.md": "123"})
    (tmp_path / "c.png").write_bytes(b"x" * 100)
    assert total_bytes(tmp_path) == 8
    assert total_bytes([tmp_path, tmp_path / "a.md"]) == 8
    assert total_bytes([tmp_path, "-"]) == 0


def test_many_small_files_take_little_time(tmp_path: Path) -> None:
    for folder in range(100):
        (tmp_path / f"{folder}").mkdir()
        for name in range(20):
            (tmp_path / f"{folder}" / f"{name}.md").write_text(f"words {folder} {name}")
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n!keep\n" * 5)
    started = time.perf_counter()
    assert len(loaded(tmp_path).documents) == 2000
    assert time.perf_counter() - started < 2.0  # measured: 0.15
