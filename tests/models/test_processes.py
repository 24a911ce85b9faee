"""An embedder in a process that forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
import numpy as np
from samespace.models import OnnxEmbedder
embedder = OnnxEmbedder(sys.argv[1])
texts = ["a small brown dog"] * 3 + ["vectors without a space " * 10] * 30
before = embedder.embed(texts, "document").array
child = os.fork()
if child == 0:
    after = embedder.embed(texts, "document").array
    os._exit(0 if np.allclose(before, after, atol=1e-5) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_loaded_embedder_works_in_a_forked_child(bert_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(bert_folder)], timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
