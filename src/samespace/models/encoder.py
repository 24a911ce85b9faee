"""The encoders that can be run from bare weights: their configuration and their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from samespace.errors import ModelError
from samespace.models.files import JsonFile
from samespace.models.tensors import Tensors
from samespace.space import FloatArray

Family = Literal["bert", "roberta", "mpnet"]
Activation = Literal["gelu", "gelu_tanh", "relu"]

_FAMILIES: dict[str, Family] = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "mpnet": "mpnet",
}
_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
_EXPORT = (
    "Export the model to ONNX (for example with optimum) and put the graph into its folder as "
    "onnx/model.onnx, which samespace then runs as it is"
)
MPNET_BUCKETS = 32

_OF_A_LAYER = re.compile(r"(?:^|\.)encoder\.layer\.(\d+)\.")

_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm2": "output.LayerNorm",
}
_MPNET_LAYER = {
    **_LAYER,
    "query": "attention.attn.q",
    "key": "attention.attn.k",
    "value": "attention.attn.v",
    "out": "attention.attn.o",
    "norm1": "attention.LayerNorm",
}


@dataclass(frozen=True)
class Encoder:
    """The shape of a BERT-like encoder: all that its graph depends on, the weights apart."""

    family: Family
    vocabulary: int
    positions: int
    hidden: int
    intermediate: int
    heads: int
    layers: int
    activation: Activation
    epsilon: float
    first_position: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every tensor that the graph takes, (out, in) for weights."""
        hidden, wide = self.hidden, self.intermediate
        shapes: dict[str, tuple[int, ...]] = {
            "word": (self.vocabulary, hidden),
            "position": (self.positions, hidden),
            "norm.weight": (hidden,),
            "norm.bias": (hidden,),
        }
        if self.family == "mpnet":
            shapes["relative"] = (MPNET_BUCKETS, self.heads)
        for layer in range(self.layers):
            for name in _LAYER:
                rows = wide if name == "up" else hidden
                columns = wide if name == "down" else hidden
                weight = (rows,) if name.startswith("norm") else (rows, columns)
                shapes[f"{layer}.{name}.weight"] = weight
                shapes[f"{layer}.{name}.bias"] = (rows,)
        return shapes

    def tensors(self, stored: Tensors) -> dict[str, FloatArray]:
        """Return every tensor of `shapes` from a file that uses the family's own names.

        Raises:
            ModelError: one is absent or has another shape than config.json says, or there are more
                layers.
        """
        word = "embeddings.word_embeddings.weight"
        prefix = next((n.removesuffix(word) for n in stored.names() if n.endswith(word)), "")

        def read(name: str) -> FloatArray:
            if prefix + name not in stored and "LayerNorm." in name:
                # Files converted from the first TensorFlow checkpoints keep their names.
                name = name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")
            return stored[prefix + name]

        position = read("embeddings.position_embeddings.weight")
        if self.family != "mpnet":
            # A single text is all of type 0, so its row is added once and not at every token.
            types = read("embeddings.token_type_embeddings.weight")
            position = np.ascontiguousarray(position + types[0])
        found = {
            "word": read(word),
            "position": position,
            "norm.weight": read("embeddings.LayerNorm.weight"),
            "norm.bias": read("embeddings.LayerNorm.bias"),
        }
        if self.family == "mpnet":
            found["relative"] = read("encoder.relative_attention_bias.weight")
        for layer in range(self.layers):
            for name, source in (_MPNET_LAYER if self.family == "mpnet" else _LAYER).items():
                for part in ("weight", "bias"):
                    found[f"{layer}.{name}.{part}"] = read(f"encoder.layer.{layer}.{source}.{part}")
        check_layers(stored.names(), self.layers)
        for name, shape in self.shapes().items():
            if found[name].shape != shape:
                raise ModelError(
                    f"the tensor {name} has shape {found[name].shape}, but config.json makes it "
                    f"{shape}: the folder mixes two models"
                )
        return found


def check_layers(names: Iterable[str], layers: int) -> None:
    """Raise ModelError if a file holds weights of more layers than config.json says.

    They would be left out without a word: another model, under the same digest of weights.
    """
    if any(int(found[1]) >= layers for found in map(_OF_A_LAYER.search, names) if found):
        raise ModelError(
            f"config.json says num_hidden_layers {layers}, but the weights hold more layers, which "
            "would be left out. Take the config.json that belongs to them; a smaller model is made "
            "with transformers: model.save_pretrained(folder)"
        )


def first_position(config: JsonFile) -> int:
    """Return the position of a text's first token: 0, or past the padding in RoBERTa's kin."""
    family = _FAMILIES.get(config.text("model_type"))
    if family == "roberta":
        return config.padding_id() + 1
    # MPNet's padding_idx is fixed in its code, whatever the configuration says.
    return 2 if family == "mpnet" else 0


def read_encoder(config: JsonFile) -> Encoder:
    """Read an encoder's shape from config.json.

    Raises:
        ModelError: a field is missing, or says something that samespace cannot run; it names
            the field.
    """
    values = config.values
    kind = config.text("model_type")
    if kind not in _FAMILIES:
        raise ModelError(
            f"{config.path}: model_type is {kind!r}; from safetensors samespace runs "
            f"{', '.join(_FAMILIES)}. {_EXPORT}"
        )
    activation = config.text("hidden_act")
    if activation not in _ACTIVATIONS:
        raise ModelError(
            f"{config.path}: hidden_act is {activation!r}; expected one of "
            f"{', '.join(_ACTIVATIONS)}. {_EXPORT}"
        )
    refused = {
        "position_embedding_type": values.get("position_embedding_type") or "absolute",
        "is_decoder": bool(values.get("is_decoder", False)),
        "relative_attention_num_buckets": values.get("relative_attention_num_buckets", 32),
    }
    expected = {
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "relative_attention_num_buckets": MPNET_BUCKETS,
    }
    for field, wanted in expected.items():
        if refused[field] != wanted:
            raise ModelError(
                f"{config.path}: {field} is {refused[field]!r}; samespace runs only {wanted!r}. "
                f"{_EXPORT}"
            )
    hidden, heads = config.required("hidden_size"), config.required("num_attention_heads")
    if hidden % heads:
        raise ModelError(
            f"{config.path}: hidden_size {hidden} is no multiple of num_attention_heads {heads}"
        )
    epsilon = values.get("layer_norm_eps")
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        raise ModelError(f"{config.path}: layer_norm_eps must lie in (0, 1), got {epsilon!r}")
    return Encoder(
        family=_FAMILIES[kind],
        vocabulary=config.required("vocab_size"),
        positions=config.required("max_position_embeddings"),
        hidden=hidden,
        intermediate=config.required("intermediate_size"),
        heads=heads,
        layers=config.required("num_hidden_layers"),
        activation=_ACTIVATIONS[activation],
        epsilon=epsilon,
        first_position=first_position(config),
    )
