"""Small models with random weights, in the folders that sentence-transformers writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.models import ModelFiles, find_model, load_encoder
from fusemine.tasks.embed.settings import EmbedSettings

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "vocab_size": 30_522,
}
MODULES = ("Transformer", "Pooling", "Normalize")


def default_folder() -> Path:
    """The files of the default model, in its package."""
    folder = find_model(EmbedSettings(), Path("/")).folder
    assert folder is not None
    return folder


def files_of(folder: Path) -> ModelFiles:
    """The model in a folder."""
    return find_model(EmbedSettings(model=str(folder)), Path("/"))


def loaded(folder: Path, **settings: Any) -> Encoder:
    """The encoder of the model in a folder, on the CPU in float32."""
    chosen = EmbedSettings.model_validate({"device": "cpu", **settings})
    return load_encoder(files_of(folder), chosen, "float32")


def unit_vectors(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """The vectors of texts or, of long ones, of their pieces."""
    return unit(encoder.encode(encoder.prepare(texts)))


def make_model(
    folder: Path,
    kind: str = "bert",
    pooling: str = "mean",
    max_tokens: int | None = 64,
    prompt: str = "",
    **shape: Any,
) -> Path:
    """Write a model of a kind that transformers has, with the default model's tokenizer.

    Args:
        folder: Where to; it is returned.
        kind: Its model type, such as `bert` or `mpnet`.
        pooling: `mean`, `cls` or `max`.
        max_tokens: Tokens that it reads; None leaves it to the tokenizer and the positions.
        prompt: The model's own.
        **shape: Other values of its config.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(1)
    config = AutoConfig.for_model(kind, **{**SHAPE, **shape})
    AutoModel.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(default_folder() / name, folder)
    settings = {"max_seq_length": max_tokens} if max_tokens else {}
    _write(folder / "sentence_bert_config.json", {**settings, "do_lower_case": False})
    modules = [
        {"idx": n, "name": str(n), "path": f"{n}_{name}" if n else "", "type": _type(name)}
        for n, name in enumerate(MODULES)
    ]
    _write(folder / "modules.json", modules)
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    names = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    modes = {f"pooling_mode_{name}": way == pooling for way, name in names.items()}
    dimension = {"word_embedding_dimension": SHAPE["hidden_size"]}
    _write(folder / "1_Pooling" / "config.json", {**dimension, **modes})
    prompts = {"prompts": {"own": prompt}, "default_prompt_name": "own"} if prompt else {}
    _write(folder / "config_sentence_transformers.json", prompts)
    return folder


def _type(name: str) -> str:
    return f"sentence_transformers.models.{name}"


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
