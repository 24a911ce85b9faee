"""Small random models of more kinds, saved as their own libraries save them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.models.tiny import HIDDEN, WINDOW, _tokenizer

PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
QUERY_PROMPT = "Instruct: find passages that answer\nQuery:"
LATE_DIMENSIONS = 16


def scatter(model: Any) -> Any:
    """Draw weights far from the usual tiny start, so that texts get different vectors."""
    import torch

    torch.manual_seed(7)
    for name, parameter in model.named_parameters():
        around = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        torch.nn.init.normal_(parameter, mean=around, std=0.25)
    return model.eval()


def bert_tokenizer(*words: str) -> Any:
    """Return a BERT tokenizer with [MASK], pairs, and words of the vocabulary that are no tokens
    of their own, as [unused0] is in BERT's own files."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    definition = json.loads(_tokenizer("bert").backend_tokenizer.to_str())
    vocabulary = definition["model"]["vocab"]
    for word in ("[MASK]", *words):
        vocabulary[word] = len(vocabulary)
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    from tokenizers.processors import TemplateProcessing

    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")],
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=WINDOW,
        **{f"{name}_token": token for name, token in names.items()},
    )


def qwen_tokenizer(*, closed: bool) -> Any:
    """Return a byte-level tokenizer that pads on the left; `closed` ends a text with a token."""
    from tokenizers import Tokenizer
    from tokenizers.processors import Sequence, TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_str(_tokenizer("roberta").backend_tokenizer.to_str())
    end = "</s>"
    closing = TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
    )
    tokenizer.post_processor = closing if closed else Sequence([])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=end,
        eos_token=end,
        unk_token="<unk>",
        padding_side="left",
        model_max_length=WINDOW,
    )


def bert_config(tokenizer: Any, **more: Any) -> Any:
    import transformers as t

    return t.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=WINDOW,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )


def qwen_config(tokenizer: Any) -> Any:
    import transformers as t

    return t.Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        num_hidden_layers=2,
        max_position_embeddings=WINDOW,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )


def _raw(folder: Path, tokenizer: Any, model: Any) -> str:
    raw = folder.with_name(folder.name + "-raw")
    tokenizer.save_pretrained(raw)
    scatter(model).save_pretrained(raw)
    return str(raw)


def _sentence_transformer(
    folder: Path, tokenizer: Any, model: Any, pooling: str, further: Any = (), **more: Any
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    modules = [Transformer(_raw(folder, tokenizer, model)), Pooling(HIDDEN, pooling_mode=pooling)]
    made = SentenceTransformer(modules=[*modules, *further, Normalize()], device="cpu", **more)
    made.save(str(folder))


def modernbert(folder: Path) -> None:
    import transformers as t

    tokenizer = bert_tokenizer()
    config = t.ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_attention_heads=4,
        num_hidden_layers=3,
        max_position_embeddings=WINDOW,
        local_attention=16,
        global_attn_every_n_layers=3,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
    )
    _sentence_transformer(folder, tokenizer, t.ModernBertModel(config), "cls")


def qwen(folder: Path) -> None:
    import transformers as t

    tokenizer = qwen_tokenizer(closed=True)
    model = t.Qwen3Model(qwen_config(tokenizer))
    prompts = {"query": QUERY_PROMPT, "document": ""}
    _sentence_transformer(folder, tokenizer, model, "lasttoken", prompts=prompts)


def nomic(folder: Path) -> None:
    import transformers as t

    tokenizer = bert_tokenizer()
    config = t.NomicBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=WINDOW,
        pad_token_id=tokenizer.pad_token_id,
    )
    prompts = {"query": "search_query: ", "document": "search_document: "}
    _sentence_transformer(folder, tokenizer, t.NomicBertModel(config), "mean", prompts=prompts)


def t5(folder: Path) -> None:
    import transformers as t

    tokenizer = bert_tokenizer()
    config = t.T5Config(
        vocab_size=len(tokenizer),
        d_model=HIDDEN,
        d_kv=8,
        d_ff=64,
        num_heads=4,
        num_layers=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    _sentence_transformer(folder, tokenizer, t.T5EncoderModel(config), "mean")


def distilbert_dense(folder: Path) -> None:
    """Two Dense modules after the pooling, one wider and one narrower, with and without tanh."""
    import torch
    import transformers as t
    from sentence_transformers.sentence_transformer.modules import Dense

    tokenizer = bert_tokenizer()
    config = t.DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=HIDDEN,
        hidden_dim=64,
        n_heads=4,
        n_layers=2,
        max_position_embeddings=WINDOW,
        pad_token_id=tokenizer.pad_token_id,
    )
    further = [
        Dense(HIDDEN, 40, activation_function=torch.nn.Tanh()),
        Dense(40, 24, bias=False, activation_function=torch.nn.Identity()),
    ]
    model = t.DistilBertModel(config)
    _sentence_transformer(folder, tokenizer, model, "mean", [scatter(m) for m in further])


def splade(folder: Path) -> None:
    import transformers as t
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling, Transformer

    tokenizer = bert_tokenizer()
    raw = _raw(folder, tokenizer, t.BertForMaskedLM(bert_config(tokenizer)))
    modules = [Transformer(raw, transformer_task="fill-mask"), SpladePooling("max")]
    SparseEncoder(modules=modules, device="cpu").save(str(folder))


def _late(folder: Path, tokenizer: Any, expansion: Any, words: Any, **lengths: Any) -> Any:
    import torch
    import transformers as t
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    raw = _raw(folder, tokenizer, t.BertModel(bert_config(tokenizer)))
    projection = Dense(
        HIDDEN,
        LATE_DIMENSIONS,
        bias=False,
        activation_function=torch.nn.Identity(),
        module_input_name="token_embeddings",
    )
    modules = [
        Transformer(raw, query_expansion=expansion, **lengths),
        scatter(projection),
        MultiVectorMask(skiplist_words=words),
        Normalize(module_input_name="token_embeddings"),
    ]
    prompts = {"query": "search: ", "document": "text: "}
    return MultiVectorEncoder(modules=modules, device="cpu", prompts=prompts)


def colbert(folder: Path) -> None:
    """As sentence-transformers saves it: queries of at least 12 tokens, punctuation left out."""
    expansion = {"strategy": "min", "length": 12, "attend": True}
    _late(folder, bert_tokenizer(), expansion, PUNCTUATION, query_length=40).save(str(folder))


def colbert_plain(folder: Path) -> None:
    """Neither expansion nor words left out."""
    _late(folder, bert_tokenizer(), None, [], document_length=60).save(str(folder))


def colbert_stanford(folder: Path) -> None:
    """As Stanford's code saves it: the projection among the weights, markers as token ids."""
    import torch
    import transformers as t
    from safetensors.torch import save_file

    tokenizer = bert_tokenizer("[unused0]", "[unused1]")
    tokenizer.save_pretrained(folder)
    config = bert_config(tokenizer, architectures=["HF_ColBERT"])
    config.save_pretrained(folder)
    model = scatter(t.BertModel(config, add_pooling_layer=False))
    tensors = {f"bert.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors["linear.weight"] = torch.randn(LATE_DIMENSIONS, HIDDEN)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
    said = {"query_maxlen": 24, "doc_maxlen": 64, "attend_to_mask_tokens": False}
    (folder / "artifact.metadata").write_text(json.dumps(said))


def colbert_pylate(folder: Path) -> None:
    """As PyLate 1 saves it: Transformer and Dense, and what becomes of tokens beside them."""
    made = _late(folder, bert_tokenizer("[Q] ", "[D] "), None, [])
    made.save(str(folder))
    file = folder / "modules.json"
    entries = json.loads(file.read_bytes())[:2]
    entries[0]["type"] = "sentence_transformers.models.Transformer"
    entries[1]["type"] = "pylate.models.Dense.Dense"
    file.write_text(json.dumps(entries))
    said = {
        "model_type": "ColBERT",
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 20,
        "document_length": 70,
        "attend_to_expansion_tokens": False,
        "skiplist_words": list(".,!?"),
        "prompts": {},
    }
    (folder / "config_sentence_transformers.json").write_text(json.dumps(said))


def cross_encoder(folder: Path) -> None:
    import transformers as t
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Transformer

    tokenizer = bert_tokenizer()
    model = t.BertForSequenceClassification(bert_config(tokenizer, num_labels=1))
    raw = _raw(folder, tokenizer, model)
    module = Transformer(raw, transformer_task="sequence-classification")
    CrossEncoder(modules=[module], device="cpu").save(str(folder))


def xlmr_cross_encoder(folder: Path) -> None:
    """As bge-reranker: XLM-R, saved by transformers alone, so without modules.json."""
    import transformers as t
    from tokenizers.processors import TemplateProcessing

    tokenizer = _tokenizer("xlm-roberta")
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
    )
    tokenizer.save_pretrained(folder)
    config = t.XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=WINDOW + 2,
        pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=1,
        num_labels=1,
    )
    scatter(t.XLMRobertaForSequenceClassification(config)).save_pretrained(folder)


def causal_reranker(folder: Path) -> None:
    """As Qwen3-Reranker: the log-odds of two words after a chat template, with an instruction."""
    import transformers as t
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.cross_encoder.modules import LogitScore

    tokenizer = qwen_tokenizer(closed=False)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}answer:"
    )
    raw = _raw(folder, tokenizer, t.Qwen3ForCausalLM(qwen_config(tokenizer)))
    modules = [Transformer(raw, transformer_task="text-generation"), LogitScore(11, 12)]
    prompts = {"judge": "does the text answer"}
    CrossEncoder(modules=modules, device="cpu", prompts=prompts, default_prompt_name="judge").save(
        str(folder)
    )


BUILDERS: dict[str, Callable[[Path], None]] = {
    builder.__name__: builder
    for builder in (
        modernbert,
        qwen,
        nomic,
        t5,
        distilbert_dense,
        splade,
        colbert,
        colbert_plain,
        colbert_stanford,
        colbert_pylate,
        cross_encoder,
        xlmr_cross_encoder,
        causal_reranker,
    )
}
DENSE = ("modernbert", "qwen", "nomic", "t5", "distilbert_dense")
LATE = ("colbert", "colbert_plain", "colbert_stanford", "colbert_pylate")
