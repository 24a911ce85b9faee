"""Fine-tunes and a student of a model, trained in a minute, for benchmarks/canaries.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from canary_models import WEIGHTS
from common import dataset, read_jsonl
from samespace.models import Embedder

PAIRS = 16
"""Questions with their sentences in one step of a fine-tune."""

TAUGHT = 32
"""Texts in one step of the student's."""

LESSONS = 80
KEPT_LAYERS = (0, 2, 4)
TOKENS = 64


def pairs(count: int) -> list[tuple[str, str]]:
    """Return questions and sentences of SQuAD, with the prompts of their roles."""
    records = read_jsonl(dataset("squad-train-sents") / "pairs.jsonl")
    order = np.random.default_rng(0).permutation(len(records))[:count]
    chosen = [records[i] for i in order]
    return [(f"query: {r['question']}", f"passage: {r['sentence']}") for r in chosen]


def fine_tunes(base: Path, scratch: Path, steps: Sequence[int]) -> dict[int, Path]:
    """Train the model to find a question's sentence among others; return it after some steps."""
    import torch

    trained = _Trained(base, 2e-5)
    some = pairs(PAIRS * max(steps))
    made = {}
    for step in range(max(steps)):
        questions, sentences = zip(*some[step * PAIRS : (step + 1) * PAIRS], strict=True)
        scores = 20 * trained.encode(questions) @ trained.encode(sentences).T
        trained.learn(torch.nn.functional.cross_entropy(scores, torch.arange(PAIRS)))
        if step + 1 in steps:
            made[step + 1] = trained.save(base, scratch / str(step + 1) / base.name)
    return made


def student(base: Path, target: Path, teacher: Embedder) -> Path:
    """Train a model of fewer layers to make the vectors of the whole one."""
    import torch

    some = pairs(TAUGHT * LESSONS // 2)
    bare = [(q.removeprefix("query: "), s.removeprefix("passage: ")) for q, s in some]
    texts = [text for pair in some for text in pair]
    wanted = np.empty((len(texts), teacher.space.dimensions), np.float32)
    wanted[0::2] = teacher.embed([q for q, _ in bare], "query", on_long="truncate").array
    wanted[1::2] = teacher.embed([s for _, s in bare], "document", on_long="truncate").array
    trained = _Trained(base, 2e-4, KEPT_LAYERS)
    for step in range(LESSONS):
        rows = slice(step * TAUGHT, (step + 1) * TAUGHT)
        made = trained.encode(texts[rows])
        trained.learn((1 - (made * torch.from_numpy(wanted[rows])).sum(dim=1)).mean())
    return trained.save(base, target)


class _Trained:
    """A transformer under training, with mean pooling and normalization."""

    def __init__(self, base: Path, rate: float, layers: Sequence[int] = ()) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.manual_seed(0)
        torch.set_num_threads(1)  # threads that wait for each other on a busy machine take longer
        self._tokenizer: Any = AutoTokenizer.from_pretrained(base)
        self._model: Any = AutoModel.from_pretrained(base).eval()
        if layers:
            encoder = self._model.encoder
            encoder.layer = torch.nn.ModuleList([encoder.layer[i] for i in layers])
        self.layers = len(self._model.encoder.layer)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=rate)

    def encode(self, texts: Sequence[str]) -> Any:
        """Return the vectors of the texts, with their gradients."""
        import torch

        options = {"padding": True, "truncation": True, "max_length": TOKENS}
        inputs = self._tokenizer(list(texts), return_tensors="pt", **options)
        mask = inputs["attention_mask"].unsqueeze(-1)
        states = self._model(**inputs).last_hidden_state * mask
        return torch.nn.functional.normalize(states.sum(dim=1) / mask.sum(dim=1), dim=1)

    def learn(self, loss: Any) -> None:
        """Take one step down the loss."""
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def save(self, base: Path, target: Path) -> Path:
        """Save the model as a folder like the one it came from."""
        from safetensors.torch import save_file

        shutil.copytree(base, target, ignore=shutil.ignore_patterns(WEIGHTS))
        tensors = {name: t.detach().clone() for name, t in self._model.state_dict().items()}
        save_file(tensors, target / WEIGHTS)
        config = json.loads((target / "config.json").read_text("utf-8"))
        config["num_hidden_layers"] = self.layers
        (target / "config.json").write_text(json.dumps(config), "utf-8")
        return target
