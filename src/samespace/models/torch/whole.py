"""A transformer of which no weight is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samespace.errors import ModelError
from samespace.models.encoder import check_layers
from samespace.models.torch.running import libraries
from samespace.space import Arithmetic

_UNUSED = "pooler."
"""A head on BERT's first token that embedding models neither use nor always save."""


def load_transformer(
    root: Path, arithmetic: Arithmetic, trust_remote_code: bool, task: str = "feature-extraction"
) -> Any:
    """Load the Transformer module of sentence-transformers from a local folder.

    transformers fills weights that a file lacks with random numbers and only logs it; here that
    is an error.

    Args:
        root: holds config.json.
        arithmetic: what the weights are converted to, whatever they are stored as.
        trust_remote_code: run Python code that lies in the folder.
        task: "feature-extraction" for the last hidden state, "fill-mask" for logits.

    Raises:
        ModelError: the files lack weights, or hold more layers than config.json says.
    """
    torch, _ = libraries()
    from sentence_transformers.base.modules import transformer as module

    class Whole(module.Transformer):  # type: ignore[misc,unused-ignore]
        def _load_model(self, *args: Any, **kwargs: Any) -> Any:
            made: Any = super()._load_model(*args, output_loading_info=True, **kwargs)
            model, report = made
            missing = sorted(n for n in report["missing_keys"] if not n.startswith(_UNUSED))
            if missing:
                raise ModelError(
                    f"{root} lacks weights that the model needs: {', '.join(missing[:5])}"
                    f"{' ...' if len(missing) > 5 else ''}. Fetch the model anew"
                )
            layers = getattr(model.config, "num_hidden_layers", 0)
            check_layers(report["unexpected_keys"], layers)
            return model

        @staticmethod
        def _get_default_modality_config(config: dict[str, Any]) -> Any:
            return module.TRANSFORMER_TASK_DEFAULTS[config.get("transformer_task", task)]

    loaded = Whole.load(
        str(root),
        local_files_only=True,
        trust_remote_code=trust_remote_code,
        model_kwargs={"dtype": getattr(torch, arithmetic)},
        init_defaults={"transformer_task": task},
    )
    # The check is done; other processes get the module by the name of its own class.
    loaded.__class__ = module.Transformer
    return loaded
