"""Fixed points of all-MiniLM-L6-v2: what a collection made today must find tomorrow."""

from __future__ import annotations

import numpy as np

from samespace.models import OnnxEmbedder
from samespace.space import check_canaries, record_canaries

# Computed with sentence-transformers 6.2.0, PyTorch 2.13.0, float32.
FIRST_COMPONENTS = [
    0.0069031,
    -0.0630234,
    -0.0720440,
    -0.0324961,
    -0.0427094,
    0.0704294,
    0.0090738,
    0.0154077,
]
SPACE_ID = "d055c55c578d8714"


def test_space_id(minilm: OnnxEmbedder) -> None:
    space = minilm.space
    assert space.model == "all-MiniLM-L6-v2"
    assert space.weights == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert (space.pooling, space.normalized, space.dimensions) == ("mean", True, 384)
    assert (space.metric, space.prompts) == ("cosine", ())
    assert space.id == SPACE_ID


def test_vector(minilm: OnnxEmbedder) -> None:
    vector = minilm.embed(["How do I reset my password?"], "query").array[0]
    np.testing.assert_allclose(vector[:8], FIRST_COMPONENTS, atol=2e-6)


def test_counts_past_the_stored_truncation(minilm: OnnxEmbedder) -> None:
    """The model's tokenizer.json truncates and pads to 128 tokens; no count may show it."""
    assert minilm.count([""]) == [2]
    assert minilm.count(["hello world"]) == [4]
    assert minilm.count(["hello " * 1000]) == [1002]


def test_meaning(minilm: OnnxEmbedder) -> None:
    query = minilm.embed(["How do I reset my password?"], "query").array
    texts = ["Click 'forgot password' to choose a new one.", "The cat sat on the mat."]
    scores = (minilm.embed(texts, "document").array @ query.T)[:, 0]
    assert scores[0] > 0.5
    assert scores[1] < 0.2


def test_canaries_hold(minilm: OnnxEmbedder) -> None:
    check_canaries(minilm.embed, record_canaries(minilm.embed), quick=False)
