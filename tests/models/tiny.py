"""Small random encoders, saved as folders the way sentence-transformers saves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

WINDOW = 96
HIDDEN = 32

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "Retrieval systems compare vectors; a vector without its space has no unit.",
    "def add(a: int, b: int) -> int: return a + b",
    "Съешь ещё этих мягких французских булок, да выпей чаю.",
    "東京の人口はどのくらいですか。日本語の文章も読みます。",
    "Größe, naïve façade, café: 3.14159 kg at 25 °C.",
    "القاهرة مدينة كبيرة على ضفاف النيل",
]


@dataclass(frozen=True)
class Tiny:
    """One small model: architecture, pooling, and how it is stored."""

    family: str
    pooling: str = "mean"
    normalized: bool = True
    half: bool = False
    activation: str = "gelu"
    prompts: bool = False

    @property
    def name(self) -> str:
        parts = [self.family, self.pooling, self.activation]
        return "-".join(parts + ["half"] * self.half + ["prompts"] * self.prompts)


TINY = (
    Tiny("bert"),
    Tiny("bert", "cls", normalized=False, activation="gelu_new"),
    Tiny("bert", "lasttoken", activation="relu", prompts=True),
    Tiny("roberta", "cls"),
    Tiny("roberta", "lasttoken", normalized=False),
    Tiny("xlm-roberta", "mean", half=True),
    Tiny("mpnet", "mean"),
    Tiny("mpnet", "cls", normalized=False),
)


def save(tiny: Tiny, folder: Path) -> Path:
    """Build a model with random weights and save it as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    raw = folder.with_name(folder.name + "-raw")
    tokenizer = _tokenizer(tiny.family)
    tokenizer.save_pretrained(raw)
    torch.manual_seed(7)
    model = _model(tiny, len(tokenizer), tokenizer.pad_token_id)
    for name, parameter in model.named_parameters():
        # Far from the usual tiny start, so that texts get different vectors.
        around = 1.0 if "LayerNorm.weight" in name else 0.0
        torch.nn.init.normal_(parameter, mean=around, std=0.25)
    if tiny.half:
        model = model.half()
    model.save_pretrained(raw)
    modules: list[Any] = [Transformer(str(raw)), Pooling(HIDDEN, pooling_mode=tiny.pooling)]
    if tiny.normalized:
        modules.append(Normalize())
    prompts = {"query": "question: ", "document": "passage: "} if tiny.prompts else None
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder))
    return folder


def _model(tiny: Tiny, vocabulary: int, padding: int) -> Any:
    import transformers as t

    kind = {
        "bert": (t.BertConfig, t.BertModel, 0),
        "roberta": (t.RobertaConfig, t.RobertaModel, padding + 1),
        "xlm-roberta": (t.XLMRobertaConfig, t.XLMRobertaModel, padding + 1),
        "mpnet": (t.MPNetConfig, t.MPNetModel, 2),
    }
    make_config, make_model, offset = kind[tiny.family]
    config = make_config(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=WINDOW + offset,
        pad_token_id=padding,
        hidden_act=tiny.activation,
    )
    return make_model(config).eval()


def _tokenizer(family: str) -> Any:
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    bert = family == "bert"
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if bert else ["<s>", "<pad>", "</s>", "<unk>"]
    pad, unk, cls, sep = names if bert else (names[1], names[3], names[0], names[2])
    if family in ("bert", "mpnet"):
        tokenizer = Tokenizer(models.WordPiece(unk_token=unk))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=400, special_tokens=names)
    elif family == "roberta":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=names, initial_alphabet=alphabet
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=names, unk_token=unk)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (cls, sep)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", special_tokens=ids
    )
    # As MiniLM's file does: a trap that every embedder must step around.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16, pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unk,
        cls_token=cls,
        sep_token=sep,
        model_max_length=WINDOW,
    )
