"""A model of transformers from a local folder: the digested weights, all of them, and no code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samespace.errors import ModelError
from samespace.space import Arithmetic


def pretrained(
    root: Path, weights: Sequence[Path], arithmetic: Arithmetic, **options: object
) -> Any:
    """Load the model that config.json names.

    Args:
        root: the folder of config.json.
        weights: the files that were digested; the others of another format are not looked at.
        arithmetic: what the weights are rounded to.
        options: what else the model's class takes.

    Raises:
        ModelError: the files lack a weight. transformers makes up a random one and goes on.
    """
    import torch
    from transformers import AutoModel

    model, report = AutoModel.from_pretrained(
        root,
        local_files_only=True,
        use_safetensors=weights[0].suffix == ".safetensors",
        weights_only=True,
        dtype=getattr(torch, arithmetic),
        output_loading_info=True,
        **options,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{weights[0]} lacks {len(missing)} of the weights that the model of "
            f"{root / 'config.json'} needs: {', '.join(missing[:4])}"
        )
    return model
