"""Models whose repository brings the code that runs them."""

from __future__ import annotations

from samespace.errors import ModelError
from samespace.models.files import JsonFile

_TAKEN_OVER: dict[str, dict[str, object]] = {
    "nomic_bert": {
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_scaling_factor": None,
        "layer_norm_epsilon": 1e-12,
        "prenorm": False,
        "causal": False,
    },
    "gte": {"rope_scaling": None, "layer_norm_type": "layer_norm"},
}
"""Model types that transformers has of the very code that such repositories brought, with what
that code reads from config.json and transformers takes for granted."""


def refuse_own_code(config: JsonFile, *, trusted: bool) -> None:
    """Refuse a model that would run without the code it was trained with.

    Where the model's type is one that transformers knows too, it takes its own class instead and
    says nothing: gte-Qwen2's code looks in both directions, the Qwen2 of transformers only back.

    Args:
        config: config.json; `auto_map` names the code.
        trusted: whether that code is run.

    Raises:
        ModelError: there is such code, and it is not run.
    """
    named = config.values.get("auto_map")
    if trusted or not isinstance(named, dict):
        return
    granted = _TAKEN_OVER.get(config.text("model_type"), {})
    if granted and all(config.values.get(name, v) == v for name, v in granted.items()):
        return
    models = [str(code) for name, code in named.items() if str(name).startswith("AutoModel")]
    if models:
        raise ModelError(
            f"{config.path}: auto_map names code of the model's own repository ({models[0]}), "
            "without which its vectors or scores would be others. samespace runs it only where "
            "that is asked for: read the code, then make the embedder or reranker yourself, for "
            f'example samespace.models.torch.TorchEmbedder("{config.path.parent}", '
            "trust_remote_code=True)"
        )
