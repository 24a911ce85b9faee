"""An embedder in a process that forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samespace.models import onnx

CODE = """
import os, sys
import numpy as np
from samespace.models import OnnxEmbedder
embedder = OnnxEmbedder(sys.argv[1])
texts = ["a small brown dog"] * 3 + ["vectors without a space " * 10] * 30
before = embedder.embed(texts, "document").array
one = embedder.embed(texts[:1], "query").array
child = os.fork()
if child == 0:
    after = embedder.embed(texts, "document").array
    same = np.allclose(before, after, atol=1e-5)
    alone = embedder.embed(texts[:1], "query").array
    os._exit(0 if same and np.allclose(one, alone, atol=1e-5) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_loaded_embedder_works_in_a_forked_child(bert_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(bert_folder)], timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_large_model_is_in_memory_once(
    bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "workers", lambda: 2)
    monkeypatch.setattr(onnx, "_KEPT_TWICE", 0)
    embedder = onnx.OnnxEmbedder(bert_folder)
    texts = ["a small brown dog", "no space at all"]
    first = embedder.embed(texts[:1], "query").array
    assert embedder._wide is not None
    assert embedder._narrow is None
    many = embedder.embed(texts, "query").array
    assert embedder._wide is None
    assert embedder._narrow is not None
    again = embedder.embed(texts[:1], "query").array
    assert embedder._wide is None
    assert np.allclose(first, again, atol=1e-6)
    assert np.allclose(many[:1], again, atol=1e-6)
