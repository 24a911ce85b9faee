"""The model of BGE-M3: an encoder and two linear heads that lie beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samespace.errors import ModelError
from samespace.models.folder import ModelFolder
from samespace.models.torch.pretrained import pretrained
from samespace.models.torch.running import Features
from samespace.space import Arithmetic, Kind


def load_m3(folder: ModelFolder, heads: Mapping[Kind, str], arithmetic: Arithmetic) -> Any:
    """Load encoder and heads as a module from features to forms.

    It takes input_ids, attention_mask and `forms`, the kinds that are wanted, and returns those:
    "dense" (texts, dimensions); "sparse" (texts, tokens), a weight for each token; and
    "multi-vector" (texts, tokens, dimensions).

    Args:
        folder: where encoder and heads lie.
        heads: the names of the heads' files.
        arithmetic: what all weights are rounded to.

    Raises:
        ModelError: a weight is missing, or a head has another shape than the model's.
    """
    import torch
    from torch.nn.functional import normalize

    encoder = pretrained(folder.root, folder.weights, arithmetic, add_pooling_layer=False)
    width = encoder.config.hidden_size

    class ThreeForms(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.sparse = _head(folder.root / heads["sparse"], width, 1)
            self.multi = _head(folder.root / heads["multi-vector"], width, width)
            self.to(encoder.dtype)

        def forward(self, features: Features) -> Features:
            forms = features.pop("forms")
            states = self.encoder(**features).last_hidden_state
            made: Features = {}
            # Lengths are taken in float32: in half precision they are only near 1.
            if "dense" in forms:
                made["dense"] = normalize(states[:, 0].float(), dim=-1)
            if "sparse" in forms:
                made["sparse"] = torch.relu(self.sparse(states)).squeeze(-1)
            if "multi-vector" in forms:
                made["multi-vector"] = normalize(self.multi(states).float(), dim=-1)
            return made

    return ThreeForms()


def _head(file: Path, width: int, made: int) -> Any:
    """Load a linear layer from a file of PyTorch, as tensors only."""
    import torch

    stored = torch.load(file, map_location="cpu", weights_only=True)
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    expected = {"weight": (made, width), "bias": (made,)}
    if shapes != expected:
        raise ModelError(f"{file} must hold a linear layer of {expected}, got {shapes}")
    layer = torch.nn.Linear(width, made)
    layer.load_state_dict(stored)
    return layer
