"""Static token embeddings: a text's vector is the mean of its tokens' rows in one matrix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.embed.encoder import Prepared, decodable
from tasks.embed.pieces import cut, readable
from tasks.embed.table import Table, tensor_names
from tasks.embed.tokens import load_tokenizer
from tasks.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.embed.encoder import Tell
    from tasks.embed.settings import EmbedSettings

# Where the wordllama package holds what it loads by default.
_WORDLLAMA = (
    "tokenizers/l2_supercat_tokenizer_config.json",
    "weights/l2_supercat_256.safetensors",
)
# The library's own record of a token is ten times its id, so few texts are tokenised at a time.
_TEXTS_AT_A_TIME = 4096
# A piece's tokens can be a few more by itself than they were within its text.
_SLACK = 2


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
    modules = _json(folder / "modules.json")
    if isinstance(modules, list) and modules:
        kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
        plain = kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])
        return folder / str(modules[0].get("path", "")) if plain else None
    config = _json(folder / "config.json")
    if isinstance(config, dict) and config.get("model_type") == "model2vec":
        return folder
    # Its older versions do not say so.
    return folder if "embeddings" in tensor_names(folder / "model.safetensors") else None


class StaticEncoder:
    """A model of one vector per token; see `tasks.embed.encoder.Encoder`.

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
        self._tokenizer = load_tokenizer(files[0])
        self._table = Table(files[1])
        self._check_vocabulary(*files)
        self._unknown = _unknown_id(self._tokenizer)
        self._settings, self._prompt = settings, settings.prompt or ""
        self.dimension = self._table.dimension
        self.max_tokens = settings.max_tokens

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise; see the protocol."""
        read = [self._readable(text) for text in texts]
        ids = self._ids(read)
        tokens = [
            self._count(found, len(a) < len(b))
            for found, a, b in zip(ids, read, texts, strict=True)
        ]
        pieces, owners = read, list(range(len(read)))
        if self.max_tokens is not None and self._settings.long_text != "truncate":
            pieces, owners, ids = self._cut(read, ids, self.max_tokens)
        known = [self._known(found) for found in ids]
        return Prepared(pieces, owners, list(map(len, known)), tokens, known)

    def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
        """Compute; see the protocol. A piece without a known token is zero."""
        vectors = np.zeros((len(prepared.ids), self.dimension), np.float32)
        for first in range(0, len(vectors), _TEXTS_AT_A_TIME):
            some = slice(first, first + _TEXTS_AT_A_TIME)
            vectors[some] = self._table.means(prepared.ids[some])
            sizes = prepared.sizes[some]
            tell(len(sizes), sum(sizes))
        return vectors

    def _check_vocabulary(self, tokenizer: Path, weights: Path) -> None:
        highest = max(self._tokenizer.get_vocab().values(), default=0)
        if highest >= self._table.tokens:
            raise ModelError(
                got=f"{tokenizer} with ids up to {highest}, "
                f"but {weights} with the vectors of {self._table.tokens} tokens",
                expected="the tokenizer that the model was made with",
                fix="fetch the model again, all files from one place",
            )

    def _readable(self, text: str) -> str:
        text = decodable(text)
        return text if self.max_tokens is None else readable(text, self.max_tokens, self._settings)

    def _count(self, ids: list[int], shortened: bool) -> int:
        """Tokens of a text; of one that was not read to its end, at least one more than fit."""
        return max(len(ids), (self.max_tokens or 0) + 1) if shortened else len(ids)

    def _cut(
        self, texts: list[str], ids: list[list[int]], size: int
    ) -> tuple[list[str], list[int], list[list[int]]]:
        """The pieces of texts, for each the number of its text, and its ids."""
        pieces: list[str] = []
        owners: list[int] = []
        cut_ids: list[list[int]] = []
        for number, text in enumerate(texts):
            is_long = len(ids[number]) > size
            found = self._pieces(text, size) if is_long else [text]
            pieces += found
            owners += [number] * len(found)
            cut_ids += self._ids(found) if is_long else [ids[number]]
        return pieces, owners, cut_ids

    def _pieces(self, text: str, max_tokens: int) -> list[str]:
        spans = self._tokenizer.encode(text, add_special_tokens=False).offsets
        prompt = len(self._tokenizer.encode(self._prompt, add_special_tokens=False).ids)
        size = max(_SLACK + 1, max_tokens - prompt - _SLACK)
        return cut(text, spans, size, self._settings) if spans else [text]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = []
        for first in range(0, len(texts), _TEXTS_AT_A_TIME):
            some = [self._prompt + text for text in texts[first : first + _TEXTS_AT_A_TIME]]
            found = self._tokenizer.encode_batch_fast(some, add_special_tokens=False)
            ids += [one.ids for one in found]
        return ids

    def _known(self, ids: list[int]) -> list[int]:
        read = ids[: self.max_tokens]
        return [number for number in read if number != self._unknown]


def _unknown_id(tokenizer: Any) -> int | None:
    """The id of what a tokenizer does not know; None where it knows everything."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is None:
        return model.get("unk_id")  # type: ignore[no-any-return]
    return tokenizer.token_to_id(model["unk_token"])  # type: ignore[no-any-return]


def _json(path: Path) -> Any:
    """A JSON file's value; None where there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
