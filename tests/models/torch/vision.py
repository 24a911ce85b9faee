"""Small models of images and texts, built here; one of them trained on handwritten digits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTIONS = (
    "a photo of the digit {}",
    "an image of the number {}",
    "a handwritten {}",
    "the number {}, written by hand",
    "{}",
)
ASKED = "a photo of the number {}"
"""Of the captions' words, but none of the captions."""

HELD_OUT = 297
SIZE = 16


def digits() -> tuple[list[PIL.Image.Image], np.ndarray]:
    """Return scikit-learn's 1,797 handwritten digits as images of 8 x 8 pixels, and which."""
    from sklearn.datasets import load_digits

    stored = load_digits()
    pixels = (stored.images * (255 / 16)).astype(np.uint8)
    return [PIL.Image.fromarray(image).convert("RGB") for image in pixels], stored.target


def noise(width: int, height: int, seed: int = 0) -> PIL.Image.Image:
    """Return an image of random colours."""
    rng = np.random.default_rng([seed, width, height])
    return PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def png(image: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def clip_processor() -> Any:
    """Return CLIP's tokenizer over all bytes with the captions' words, and its image processor."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPImageProcessorPil, CLIPProcessor, CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in " ".join([*CAPTIONS, *DIGITS]).replace("{}", "").replace(",", "").split():
        left, *rest = [*word[:-1], word[-1] + "</w>"]
        for right in rest:
            if (left, right) not in merges:
                merges.append((left, right))
                pieces.append(left + right)
            left += right
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        image_mean=[0.5, 0.4, 0.3],
        image_std=[0.5, 0.4, 0.6],
    )
    return CLIPProcessor(images, tokenizer)


def clip_model(processor: Any) -> Any:
    """Return a small CLIP with random weights, in evaluation."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tokenizer = processor.tokenizer
    tower = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 32,
    }
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(7)
    return CLIPModel(
        CLIPConfig(
            text_config={**tower, **ends, "vocab_size": len(tokenizer)},
            vision_config={**tower, "image_size": SIZE, "patch_size": 4},
            projection_dim=32,
        )
    ).eval()


def train(model: Any, processor: Any) -> None:
    """Teach a CLIP what digits are called: of ten captions, an image is to be nearest its own."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    images, labels = digits()
    pixels = processor(images=images[:-HELD_OUT], return_tensors="pt")["pixel_values"]
    targets = torch.from_numpy(labels[:-HELD_OUT]).long()
    captions = [
        processor.tokenizer(
            [caption.format(name) for name in DIGITS], padding=True, return_tensors="pt"
        )
        for caption in CAPTIONS
    ]
    steps, rate = 300, 1e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for step in range(steps):
        rows = torch.randint(0, len(pixels), (128,))
        seen = normalize(model.get_image_features(pixels[rows]).pooler_output, dim=-1)
        said = model.get_text_features(**captions[step % len(captions)]).pooler_output
        logits = model.logit_scale.exp() * seen @ normalize(said, dim=-1).T
        loss = cross_entropy(logits, targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()


def save_clip(folder: Path, *, trained: bool = True) -> Path:
    """Save a small CLIP as transformers does."""
    processor = clip_processor()
    model = clip_model(processor)
    if trained:
        train(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """Save a small SigLIP with random weights, as transformers does."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import UnigramTrainer
    from transformers import (
        PreTrainedTokenizerFast,
        SiglipConfig,
        SiglipImageProcessorPil,
        SiglipModel,
    )

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = UnigramTrainer(
        vocab_size=200,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    sentences = [c.format(name) for c in CAPTIONS for name in DIGITS]
    tokenizer.train_from_iterator(sentences * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="</s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
        model_input_names=["input_ids"],
    ).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    torch.manual_seed(7)
    model = SiglipModel(
        SiglipConfig(
            text_config={
                **tower,
                "vocab_size": tokenizer.get_vocab_size(),
                "bos_token_id": 1,
                "eos_token_id": 1,
                "projection_size": 32,
            },
            vision_config={**tower, "image_size": SIZE, "patch_size": 4},
        )
    ).eval()
    for name, parameter in model.named_parameters():
        # Far from the usual tiny start, so that inputs get different vectors.
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        torch.nn.init.normal_(parameter, mean=around, std=0.15)
    model.save_pretrained(folder)
    return folder
