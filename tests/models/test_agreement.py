"""One space is what was measured to be one: across arithmetics, and across runtimes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import samespace
from samespace import Collection, Document
from samespace.errors import InputError, ModelDrift, SpaceError, SpaceMismatch
from samespace.migrate import Migration
from samespace.models import Embedder, HashEmbedder, OnnxEmbedder
from samespace.models.agreement import (
    FAMILY_COSINE,
    agreement,
    check_model,
    one_family,
    same_space,
    that_fit,
)
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.models.catalog.read import forget
from samespace.space import (
    CANARIES,
    CANARY_COSINE,
    Arithmetic,
    Canary,
    Space,
    Vectors,
    check_canaries,
    record_canaries,
)
from samespace.types import Role
from tests.models.conftest import Zoo
from tests.models.tiny import TINY, Tiny

TEXTS = ["Cats purr when they are content.", "Dogs bark at strangers.", "Whales sing."]


class Moved:
    """An embedder that turns its vectors of some canaries by a stated cosine."""

    def __init__(
        self, inner: Embedder, cosines: dict[str, float], arithmetic: Arithmetic = "float16"
    ) -> None:
        self._inner = inner
        self._cosines = cosines
        self.space = dataclasses.replace(inner.space, arithmetic=arithmetic)
        self.max_tokens = inner.max_tokens
        self.asked: set[str] = set()

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        return self._inner.count(texts, role)

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Vectors:
        self.asked.update(texts)
        array = self._inner.embed(texts, role, on_long=on_long).array.copy()
        for row, text in zip(array, texts, strict=True):
            cosine = self._cosines.get(text, 1.0)
            away = np.roll(row, 1) - (np.roll(row, 1) @ row) * row
            row[:] = cosine * row + np.sqrt(1 - cosine**2) * away / np.linalg.norm(away)
        return Vectors(array, self.space, role)


def test_each_canary_is_measured() -> None:
    wanted = {text: 1 - i / 50 for i, (_, text) in enumerate(CANARIES)}
    seen = agreement(Moved(HashEmbedder(), wanted), HashEmbedder())
    np.testing.assert_allclose(seen.cosines, list(wanted.values()), atol=1e-5)
    assert seen.least == min(seen.cosines)
    assert seen.mean == pytest.approx(np.mean(list(wanted.values())), abs=1e-5)
    assert not seen.one_space


@pytest.mark.parametrize("which", range(len(CANARIES)))
def test_one_canary_decides(which: int) -> None:
    """The quick check at first use sees two canaries; admission sees all."""
    inner = HashEmbedder()
    recorded = record_canaries(lambda t, r: inner.embed(t, r, on_long="truncate"))
    text = CANARIES[which][1]
    near, far = CANARY_COSINE + 3e-5, CANARY_COSINE - 3e-5
    admitted = same_space(Moved(inner, {text: near}), inner.space, recorded, "opening")
    assert admitted.space == inner.space
    with pytest.raises(SpaceMismatch, match=r"opening: the model computes in float16") as caught:
        same_space(Moved(inner, {text: far}), inner.space, recorded, "opening")
    assert f"{far:.4f}" in str(caught.value)
    assert caught.value.fields == {"arithmetic": ("float32", "float16")}


def test_only_arithmetic_may_differ() -> None:
    inner = HashEmbedder()
    recorded = record_canaries(lambda t, r: inner.embed(t, r, on_long="truncate"))
    assert same_space(inner, inner.space, recorded, "opening") is inner
    other = Moved(inner, {})
    other.space = dataclasses.replace(other.space, model="another")
    with pytest.raises(SpaceMismatch, match="model: expected 'samespace-hash', got 'another'"):
        same_space(other, inner.space, recorded, "opening")
    with pytest.raises(SpaceMismatch, match="arithmetic: expected 'float32', got 'float16'"):
        same_space(Moved(inner, {}), inner.space, (), "opening")


def test_a_cache_does_not_answer_for_the_model(tmp_path: Path) -> None:
    inner, cache = HashEmbedder(), VectorCache(tmp_path / "cache")
    recorded = record_canaries(lambda t, r: inner.embed(t, r, on_long="truncate"))
    good = CachedEmbedder(Moved(inner, {}), cache)
    for role, text in CANARIES:
        good.embed([text], role, on_long="truncate")
    assert same_space(good, inner.space, recorded, "opening").space == inner.space
    bad = CachedEmbedder(Moved(inner, {text: 0.9 for _, text in CANARIES}), cache)
    with pytest.raises(SpaceMismatch):
        same_space(bad, inner.space, recorded, "opening")


def make(path: Path, model: Embedder) -> None:
    with samespace.Collection.create(path, model=model) as collection:
        collection.add([samespace.Document(id=str(i), text=t) for i, t in enumerate(TEXTS)])


def test_float16_serves_a_float32_collection(tmp_path: Path, bert_folder: Path) -> None:
    kb = tmp_path / "kb"
    make(kb, OnnxEmbedder(bert_folder))
    half = OnnxEmbedder(bert_folder, arithmetic="float16")
    with samespace.Collection.open(kb, model=half) as collection:
        assert collection.embedder.space == collection.space != half.space
        assert collection.search(TEXTS[1], mode="dense").hits[0].chunk.document == "1"
        collection.add(samespace.Document(id="new", text="Bees hum in the garden."))
        assert collection.search("Bees hum in the garden.").hits[0].chunk.document == "new"
    with samespace.Collection.open(kb, model=OnnxEmbedder(bert_folder)) as collection:
        hit = collection.search("Bees hum in the garden.", mode="dense").hits[0]
        assert (hit.chunk.document, round(hit.score, 3)) == ("new", 1.0)


@pytest.mark.parametrize("made", ["float32", "int8"])
def test_int8_and_float32_do_not_mix(
    tmp_path: Path, minilm_folder: Path, minilm: OnnxEmbedder, made: str
) -> None:
    kb = tmp_path / "kb"
    integer = OnnxEmbedder(minilm_folder, arithmetic="int8")
    first, second = (minilm, integer) if made == "float32" else (integer, minilm)
    make(kb, first)
    with pytest.raises(SpaceMismatch, match=rf"made in {made}.* Cosines over 12 canaries: 0\.9"):
        samespace.Collection.open(kb, model=second)
    with samespace.Collection.open(kb, model=first) as collection:
        assert collection.search("a barking dog", mode="dense").hits[0].chunk.document == "1"
        assert collection.info()["documents"] == len(TEXTS)


def torch_embedder(folder: Path) -> Embedder:
    pytest.importorskip("sentence_transformers")
    from samespace.models.torch import TorchEmbedder

    return TorchEmbedder(folder)


@pytest.mark.parametrize("tiny", TINY, ids=lambda t: t.name)
def test_two_runtimes_of_one_space_agree(tiny: Tiny, zoo: Zoo) -> None:
    with_onnx, with_torch = zoo.embedder(tiny), torch_embedder(zoo.folder(tiny))
    assert with_onnx.space == with_torch.space
    assert agreement(with_onnx, with_torch).least > 0.99999


def test_two_runtimes_of_minilm_agree(minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    other = torch_embedder(minilm_folder)
    assert minilm.space == other.space
    assert agreement(minilm, other).least > 0.999999
    check_canaries(other.embed, record_canaries(minilm.embed), quick=False)


def test_float16_of_pytorch(tmp_path: Path, minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    """PyTorch computes in float16 what ONNX Runtime only stores so; it is one Space, measured."""
    pytest.importorskip("sentence_transformers")
    from samespace.models.torch import TorchEmbedder

    computed = TorchEmbedder(minilm_folder, arithmetic="float16")
    stored = OnnxEmbedder(minilm_folder, arithmetic="float16")
    assert computed.space == stored.space
    assert agreement(computed, stored).least > 0.9999
    make(tmp_path / "kb", minilm)
    with samespace.Collection.open(tmp_path / "kb", model=computed) as collection:
        assert collection.search("a barking dog", mode="dense").hits[0].chunk.document == "1"


def test_equal_spaces_are_still_measured_at_first_use(tmp_path: Path) -> None:
    """A runtime that claims the Space but gives other vectors is found out by the canaries."""
    make(tmp_path / "kb", HashEmbedder())
    liar = Moved(HashEmbedder(), {CANARIES[0][1]: 0.99}, arithmetic="float32")
    with (
        samespace.Collection.open(tmp_path / "kb", model=liar) as collection,
        pytest.raises(ModelDrift, match=r"cosine 0\.99000"),
    ):
        collection.search("cats")


def test_a_smaller_window_of_minilm_shows_in_the_whole_set(minilm_folder: Path) -> None:
    whole, narrow = OnnxEmbedder(minilm_folder), OnnxEmbedder(minilm_folder, max_tokens=128)
    assert whole.space == narrow.space
    seen = agreement(narrow, whole)
    assert [cosine < CANARY_COSINE for cosine in seen.cosines] == [False] * 11 + [True]


TEXT_SET = {text for _, text in CANARIES}
ENTRY = """
[[model]]
name = "{name}"
provider = "samespace"
kinds = ["dense"]
dimensions = 256
max_tokens = 256
normalized = true
metric = "cosine"
family = "{family}"
"""
FAMILIES = {"large": "ours", "small": "ours", "alone": "", "kin": "alone", "foreign": "theirs"}


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Declare families of models, as `samespace models add` does."""
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path / "config"))
    file = tmp_path / "config/models/ours.toml"
    file.parent.mkdir(parents=True)
    entries = [ENTRY.format(name=name, family=family) for name, family in FAMILIES.items()]
    file.write_text("".join(entries), "utf-8")
    forget()
    yield
    forget()


def member(name: str, cosine: float = 1.0) -> Moved:
    """Return a model of this name whose canaries lie at a cosine to those of the others."""
    made = Moved(HashEmbedder(), dict.fromkeys(TEXT_SET, cosine), "float32")
    made.space = dataclasses.replace(made.space, model=name, weights=f"weights of {name}")
    return made


def canaries_of(model: Embedder) -> tuple[Canary, ...]:
    return record_canaries(lambda t, r: model.embed(t, r, on_long="truncate"))


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(("one", "other"), [("large", "small"), ("alone", "kin"), ("kin", "alone")])
def test_a_declared_member_that_is_near_is_admitted(one: str, other: str) -> None:
    made, given = member(one), member(other, FAMILY_COSINE + 0.01)
    assert one_family(made.space, given.space)
    admitted = same_space(given, made.space, canaries_of(made), "opening")
    assert given.asked == TEXT_SET, "all canaries, and nothing else"
    assert admitted.space == made.space
    vectors = admitted.embed(["a cat"], "query")
    assert (vectors.space, vectors.role) == (made.space, "query")
    assert np.array_equal(vectors.array, HashEmbedder().embed(["a cat"], "query").array)


@pytest.mark.usefixtures("declared")
def test_a_declared_member_that_is_far_is_refused() -> None:
    made, given = member("large"), member("small", FAMILY_COSINE - 0.01)
    with pytest.raises(SpaceMismatch, match="small is declared to share the space of large") as e:
        same_space(given, made.space, canaries_of(made), "opening")
    assert f"{FAMILY_COSINE - 0.01:.4f}" in str(e.value)
    assert set(e.value.fields) == {"model", "weights"}
    assert given.asked <= TEXT_SET


@pytest.mark.usefixtures("declared")
def test_a_canary_that_is_nearest_to_another_is_refused() -> None:
    """Near as they all are: what is nearest decides what is found."""
    made, given = member("large"), member("small")
    first, second, *_ = canaries_of(made)
    near = (first.vector + 0.3 * second.vector) / np.linalg.norm(first.vector + 0.3 * second.vector)
    recorded = [first, dataclasses.replace(first, role="document", vector=near)]
    same_space(given, made.space, recorded[:1], "opening")
    with pytest.raises(SpaceMismatch, match="1 of them are nearest to another"):
        same_space(given, made.space, recorded, "opening")


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("name", ["alone", "foreign", "unknown"])
def test_a_model_that_is_near_but_not_declared_is_refused_unasked(name: str) -> None:
    made, given = member("large"), member(name)
    with pytest.raises(SpaceMismatch, match=f"model: expected 'large', got '{name}'"):
        same_space(given, made.space, canaries_of(made), "opening")
    assert given.asked == set()


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(
    ("field", "value"),
    [("metric", "dot"), ("normalized", False), ("precision", "int8"), ("modality", "text+image")],
)
def test_members_of_another_form_are_refused_unasked(field: str, value: object) -> None:
    made, given = member("large"), member("small")
    given.space = dataclasses.replace(given.space, **{field: value})
    with pytest.raises(SpaceMismatch, match=f"{field}: expected"):
        same_space(given, made.space, canaries_of(made), "opening")
    assert given.asked == set()


@pytest.mark.usefixtures("declared")
def test_a_member_with_other_prompts_than_its_own_is_no_member() -> None:
    made, given = member("large"), member("large")
    given.space = dataclasses.replace(given.space, prompts=(("query", "find: "),))
    with pytest.raises(SpaceMismatch, match="prompts: expected"):
        same_space(given, made.space, canaries_of(made), "opening")
    assert given.asked == set()


@pytest.mark.usefixtures("declared")
def test_vectors_of_a_member_are_cached_under_its_own_name(tmp_path: Path) -> None:
    cache, made = VectorCache(tmp_path / "cache"), member("large")
    recorded = canaries_of(made)
    given = Moved(HashEmbedder(), {**dict.fromkeys(TEXT_SET, 0.95), "a cat": 0.9}, "float32")
    given.space = member("small").space
    admitted = same_space(CachedEmbedder(given, cache), made.space, recorded, "opening")
    moved = admitted.embed(["a cat"], "query").array
    right = CachedEmbedder(made, cache).embed(["a cat"], "query").array
    assert float((moved * right).sum()) == pytest.approx(0.9, abs=1e-5)
    given.asked.clear()
    assert np.array_equal(admitted.embed(["a cat"], "query").array, moved)
    assert given.asked == set()


@pytest.mark.usefixtures("declared")
def test_a_member_asks_and_embeds_no_documents(tmp_path: Path) -> None:
    """They would stand among those of the other for ever, and only near their place."""
    made, given = member("large"), member("small", 0.95)
    with Collection.create(tmp_path / "kb", made) as kb:
        kb.add([Document(id="1", text="A cat purrs.")])
    with Collection.open(tmp_path / "kb", given) as kb:
        assert kb.search("cat", mode="dense")[0].chunk.document == "1"
        assert kb.run({"q": "cat"}).name == "small for large hybrid"
        before = kb.info()
        with pytest.raises(
            SpaceError, match=r"shares the space of large.*open the collection with"
        ):
            kb.add([Document(id="2", text="A dog barks.")])
        assert kb.info() == before
        assert kb.add([Document(id="1", text="A cat purrs.")]).unchanged == 1
        with pytest.raises(InputError, match="only stands in"):
            Migration.begin(kb, max_tokens=24)
        assert kb.verify().sound
    with Collection.open(tmp_path / "kb", made) as kb:
        assert kb.add([Document(id="2", text="A dog barks.")]).added == 1


def test_where_tokens_are_estimated_the_long_canary_is_left_out() -> None:
    class Estimating(HashEmbedder):
        exact_counts = True

        def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
            factor = 1 if self.exact_counts else 2
            return [factor * tokens for tokens in super().count(texts, role)]

    model = Estimating(max_tokens=512)
    recorded = canaries_of(model)
    assert len(recorded) == len(CANARIES)
    model.exact_counts = False
    assert len(that_fit(model, recorded)) == len(CANARIES) - 1
    check_model(model, recorded, quick=False)


def test_families_of_the_catalog() -> None:
    """What Voyage says of its models: one space, at the same width."""
    from samespace.models.hosted import HostedEmbedder

    spaces: dict[str, Space] = {
        name: HostedEmbedder(name).space
        for name in ("voyage-4-large", "voyage-4-lite", "voyage-3.5", "voyage-3-large")
    }
    large = spaces["voyage-4-large"]
    assert [name for name, space in spaces.items() if one_family(large, space)] == ["voyage-4-lite"]
    shorter = HostedEmbedder("voyage-4-lite", dimensions=256).space
    assert not one_family(large, shorter)
    assert one_family(HostedEmbedder("voyage-4-large", dimensions=256).space, shorter)


@pytest.mark.usefixtures("declared")
def test_a_collection_is_searched_by_another_member(tmp_path: Path) -> None:
    make(tmp_path / "kb", member("large"))
    with samespace.Collection.open(tmp_path / "kb", model=member("small", 0.95)) as collection:
        assert collection.space.model == "large"
        assert collection.search(TEXTS[1], mode="dense").hits[0].chunk.document == "1"
    far = member("small", 0.5)
    with pytest.raises(SpaceMismatch):
        samespace.Collection.open(tmp_path / "kb", model=far)
    assert far.asked <= TEXT_SET
