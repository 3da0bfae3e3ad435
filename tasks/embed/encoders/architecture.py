"""Telling from a model's small files whether the padding-free path computes it exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

Pooling = Literal["mean", "cls", "max"]

_FAMILIES = {"bert", "roberta", "xlm-roberta", "camembert", "mpnet"}
# Position 0 of these families is the padding token's; a text starts after it.
_OFFSET = {"roberta", "xlm-roberta", "camembert", "mpnet"}
_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True)
class Blueprint:
    """How a model is built.

    Args:
        family: Its model type.
        layers: How many.
        heads: Attention heads of a layer.
        eps: Of its layer norms.
        pooling: How tokens become one vector.
        max_tokens: Tokens that it reads, special ones included.
        first_position: Position of the first token.
        prompt: What it wants before every text, where nothing else is set.
    """

    family: str
    layers: int
    heads: int
    eps: float
    pooling: Pooling
    max_tokens: int
    first_position: int
    prompt: str


def read_blueprint(folder: Path) -> Blueprint | None:
    """How the model in a folder is built; None where the padding-free path does not cover it.

    Covered are the encoders of the BERT kind, pooled by the mean, the first token or the maximum,
    with or without a normalising layer: there a token's vector depends on its own text alone.
    """
    config = _json(folder / "config.json")
    modules = [str(m.get("type", "")).rpartition(".")[2] for m in _list(folder / "modules.json")]
    there = all((folder / name).is_file() for name in ("tokenizer.json", "model.safetensors"))
    pooling = _pooling(folder)
    if not there or pooling is None or not _is_plain(config):
        return None
    if modules not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    transformer = _json(folder / "sentence_bert_config.json")
    if transformer.get("do_lower_case"):
        return None
    offset = int(config.get("pad_token_id", 1)) + 1 if config["model_type"] in _OFFSET else 0
    return Blueprint(
        family=config["model_type"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        eps=config["layer_norm_eps"],
        pooling=pooling,
        max_tokens=_max_tokens(folder, transformer, config["max_position_embeddings"] - offset),
        first_position=offset,
        prompt=_prompt(folder),
    )


def _is_plain(config: dict[str, Any]) -> bool:
    return (
        config.get("model_type") in _FAMILIES
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("quantization_config")
    )


def _pooling(folder: Path) -> Pooling | None:
    """The one way in which a model pools; None where it has none, several, or another."""
    config = _json(folder / "1_Pooling" / "config.json")
    if not config.get("include_prompt", True):
        return None
    if "pooling_mode" in config:
        mode = config["pooling_mode"]
        return mode if mode in ("mean", "cls", "max") else None
    modes = [name for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    return _POOLINGS.get(modes[0]) if len(modes) == 1 else None


def _max_tokens(folder: Path, transformer: dict[str, Any], positions: int) -> int:
    limit = transformer.get("max_seq_length")
    if limit is None:
        limit = _json(folder / "tokenizer_config.json").get("model_max_length", positions)
    return int(min(limit, positions))


def _prompt(folder: Path) -> str:
    config = _json(folder / "config_sentence_transformers.json")
    prompts = config.get("prompts") or {}
    return str(prompts.get(config.get("default_prompt_name"), ""))


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none that can be read."""
    value = read_small(path)
    return value if isinstance(value, dict) else {}


def _list(path: Path) -> list[dict[str, Any]]:
    value = read_small(path)
    return value if isinstance(value, list) else []


def read_small(path: Path) -> Any:
    """A JSON file's value; None where there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
