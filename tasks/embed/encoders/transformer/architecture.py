"""Reading from a model's small files how it is built, and whether the packed path computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fusemine.tasks.embed.encoders.models import read_json_file, read_modules

if TYPE_CHECKING:
    from pathlib import Path

Pooling = Literal["mean", "cls", "max"]

_FAMILIES = {"bert", "roberta", "xlm-roberta", "camembert", "mpnet"}
# Position 0 of these families is the padding token's; a text starts after it.
_OFFSET = {"roberta", "xlm-roberta", "camembert", "mpnet"}
_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True)
class Architecture:
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


def read_architecture(folder: Path) -> Architecture | None:
    """How the model in a folder is built; None where the padding-free path does not cover it.

    Covered are the encoders of the BERT kind, pooled by the mean, the first token or the maximum,
    with or without a normalising layer: there a token's vector depends on its own text alone.
    """
    config = read_json_file(folder / "config.json", dict)
    transformer = read_json_file(folder / "sentence_bert_config.json", dict)
    pooling, kinds = _pooling(folder), [kind for kind, _ in read_modules(folder)]
    complete = all((folder / name).is_file() for name in ("tokenizer.json", "model.safetensors"))
    if not complete or pooling is None or not _is_plain(config):
        return None
    if kinds not in _MODULES or transformer.get("do_lower_case"):
        return None
    prompts = read_json_file(folder / "config_sentence_transformers.json", dict)
    default = prompts.get("default_prompt_name")
    offset = int(config.get("pad_token_id", 1)) + 1 if config["model_type"] in _OFFSET else 0
    return Architecture(
        family=config["model_type"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        eps=config["layer_norm_eps"],
        pooling=pooling,
        max_tokens=_max_tokens(folder, transformer, config["max_position_embeddings"] - offset),
        first_position=offset,
        prompt=str((prompts.get("prompts") or {}).get(default, "")),
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
    config = read_json_file(folder / "1_Pooling" / "config.json", dict)
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
        tokenizer = read_json_file(folder / "tokenizer_config.json", dict)
        limit = tokenizer.get("model_max_length", positions)
    return int(min(limit, positions))
