"""Digests: right, remembered between processes, and never stale."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samespace.errors import ModelError
from samespace.models.digest import file_digest, tokenizer_digest, weights_digest

OLD = time.time() - 3600


def settled(path: Path, content: bytes) -> Path:
    """Write a file that counts as settled: its times lie in the past."""
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))
    return path


def digest_in_new_process(path: Path, cache: Path) -> tuple[str, bool]:
    """Return the digest, and whether the file was opened for it."""
    code = (
        "import sys, pathlib\n"
        "from samespace.models.digest import file_digest\n"
        f"target = {str(path)!r}\n"
        "opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(a[0]) if e == 'open' else None)\n"
        "print(file_digest(pathlib.Path(target)), target in map(str, opened))\n"
    )
    env = {**os.environ, "SAMESPACE_CACHE": str(cache)}
    out = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    return out[0], out[1] == "True"


def test_file_digest(tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "f").write_bytes(content)
    assert file_digest(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def test_hashed_once_until_it_changes(tmp_path: Path) -> None:
    file, cache = settled(tmp_path / "f", b"one"), tmp_path / "cache"
    time.sleep(2.1)  # until the change of the inode, too, is a while ago
    first = digest_in_new_process(file, cache)
    assert first == (hashlib.sha256(b"one").hexdigest(), True)
    assert json.loads((cache / "digests.json").read_bytes())
    assert digest_in_new_process(file, cache) == (first[0], False)
    settled(file, b"two")  # the same size and the same time of modification
    assert digest_in_new_process(file, cache) == (hashlib.sha256(b"two").hexdigest(), True)


def test_a_fresh_file_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "f"
    for content in (b"aaaa", b"bbbb", b"cccc"):
        file.write_bytes(content)
        assert file_digest(file) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 3}', b'{"a": [[1], "x", 3]}'])
def test_a_damaged_cache_does_not_matter(tmp_path: Path, content: bytes) -> None:
    file, cache = settled(tmp_path / "f", b"one"), tmp_path / "cache"
    cache.mkdir()
    (cache / "digests.json").write_bytes(content)
    assert digest_in_new_process(file, cache)[0] == hashlib.sha256(b"one").hexdigest()


def test_an_unwritable_cache_does_not_matter(tmp_path: Path) -> None:
    file = settled(tmp_path / "f", b"one")
    (tmp_path / "blocked").write_text("a file where the folder should be")
    got = digest_in_new_process(file, tmp_path / "blocked")
    assert got == (hashlib.sha256(b"one").hexdigest(), True)


def test_several_files(tmp_path: Path) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert weights_digest([one]) == hashlib.sha256(b"1").hexdigest()
    assert weights_digest([one, two]) == weights_digest([two, one])
    both = weights_digest([one, two])
    two.write_bytes(b"3")
    assert weights_digest([one, two]) != both


def test_tokenizer_digest_leaves_out_truncation_padding_and_format(tmp_path: Path) -> None:
    def digest(definition: object, **how: object) -> str:
        file = tmp_path / "tokenizer.json"
        file.write_text(json.dumps(definition, **how), encoding="utf-8")  # type: ignore[arg-type]
        return tokenizer_digest(file)

    base = {"model": {"vocab": {"é": 1}}, "truncation": {"max_length": 128}, "padding": None}
    expected = digest(base)
    assert expected == hashlib.sha256(b'{"model":{"vocab":{"\\u00e9":1}}}').hexdigest()
    assert digest({"model": base["model"]}, ensure_ascii=False, indent=2) == expected
    assert digest({"padding": {"length": 3}, **base}) == expected
    assert digest({"model": {"vocab": {"é": 2}}}) != expected
    with pytest.raises(ModelError, match="not a tokenizer definition"):
        digest([1])
