"""Static token embeddings: a text's vector is the mean of its tokens' rows in one matrix."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.architecture import read_small
from fusemine.tasks.embed.encoders.token_matrix import Table, tensor_names
from fusemine.tasks.embed.encoders.tokens import FastTokenizer, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.embed.encoders.encoder import Prepared, Tell
    from fusemine.tasks.embed.encoders.files import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings, Precision

# Where the wordllama package holds what it loads by default.
_WORDLLAMA = (
    "tokenizers/l2_supercat_tokenizer_config.json",
    "weights/l2_supercat_256.safetensors",
)
_TEXTS_AT_A_TIME = 4096


def static_files(folder: Path) -> tuple[Path, Path] | None:
    """The files of a static model, told without reading its weights.

    Covered are folders of model2vec, of sentence-transformers with nothing but a StaticEmbedding,
    and that of the wordllama package.

    Returns:
        The tokenizer's file and that of the weights; None for any other model.
    """
    inner = _inner(folder)
    candidates = [(folder / _WORDLLAMA[0], folder / _WORDLLAMA[1])]
    if inner is not None:
        candidates.append((inner / "tokenizer.json", inner / "model.safetensors"))
    there = (files for files in candidates if all(file.is_file() for file in files))
    return next(there, None)


def _inner(folder: Path) -> Path | None:
    """Where a folder holds a static model's files; None if it says that its model is another."""
    modules = read_small(folder / "modules.json")
    if isinstance(modules, list) and modules:
        kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
        plain = kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])
        return folder / str(modules[0].get("path", "")) if plain else None
    config = read_small(folder / "config.json")
    if isinstance(config, dict) and config.get("model_type") == "model2vec":
        return folder
    # Its older versions do not say so.
    return folder if "embeddings" in tensor_names(folder / "model.safetensors") else None


class StaticEncoder:
    """A model of one vector per token; see `fusemine.tasks.embed.encoders.encoder.Encoder`.

    A token that the tokenizer does not know counts for nothing, as in model2vec.

    Args:
        folder: Its files.
        settings: How to use it.

    Raises:
        ModelError: The files do not make a static model.
    """

    path = "static"
    invariant = True

    def __init__(self, folder: Path, settings: EmbedSettings) -> None:
        files = static_files(folder)
        if files is None:
            raise ModelError(
                got=f"{folder}, which holds no static model",
                expected="a folder of model2vec, of a StaticEmbedding, or of wordllama",
                fix="name another one as embed.model",
            )
        tokenizer = FastTokenizer(files[0], specials=False)
        self._table = Table(files[1])
        tokenizer.check_vocabulary(self._table.tokens, f", but {files[1]} with the vectors of")
        self._unknown = _unknown_id(tokenizer.inner)
        self._reader = Reader(tokenizer, settings, settings.max_tokens, settings.prompt or "")
        self.dimension = self._table.dimension
        self.max_tokens = settings.max_tokens

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise; see the protocol."""
        read = self._reader.prepare(texts)
        known = [[token for token in ids if token != self._unknown] for ids in read.ids]
        return replace(read, ids=known, sizes=list(map(len, known)))

    def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
        """Compute; see the protocol. A piece without a known token is zero."""
        vectors = np.zeros((len(prepared.ids), self.dimension), np.float32)
        for first in range(0, len(vectors), _TEXTS_AT_A_TIME):
            some = slice(first, first + _TEXTS_AT_A_TIME)
            vectors[some] = self._table.means(prepared.ids[some])
            sizes = prepared.sizes[some]
            tell(len(sizes), sum(sizes))
        return vectors


def _unknown_id(tokenizer: Any) -> int | None:
    """The id of what a tokenizer does not know; None where it knows everything."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is None:
        return model.get("unk_id")  # type: ignore[no-any-return]
    return tokenizer.token_to_id(model["unk_token"])  # type: ignore[no-any-return]


def fits(folder: Path) -> bool:
    """Whether a folder holds a static model."""
    return static_files(folder) is not None


def load(model: ModelFiles, settings: EmbedSettings, _: Precision, __: str | None) -> StaticEncoder:
    """The encoder of a model's files."""
    return StaticEncoder(model.there, settings)
