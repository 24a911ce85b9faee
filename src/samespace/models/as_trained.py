"""Whether transformers runs a model the way that it was trained."""

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


_POSITIONS = ("relative_key", "relative_key_query", "alibi")
"""What BERT's kin were trained with besides absolute positions. transformers 5 reads none of it."""


def check_as_trained(config: JsonFile, *, trusted: bool) -> None:
    """Refuse a model that transformers would run otherwise, and say nothing of it.

    Where a repository brings its own code and the model's type is one that transformers knows
    too, it takes its own class: gte-Qwen2's code looks in both directions, the Qwen2 of
    transformers only back.

    Args:
        config: config.json; `auto_map` names the code.
        trusted: whether that code is run.

    Raises:
        ModelError: there is such code, and it is not run; or positions are not told as transformers
            tells them.
    """
    if trusted:
        return
    positions = config.values.get("position_embedding_type")
    named = config.values.get("auto_map")
    if not isinstance(named, dict):
        if positions in _POSITIONS:
            raise ModelError(
                f"{config.path}: position_embedding_type is {positions!r}, which transformers "
                "no longer runs: its vectors would be others, without a word"
            )
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
