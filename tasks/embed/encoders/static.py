"""Static token embeddings: a text's vector is the mean of its tokens' rows in one matrix.

As in model2vec (Tulkens & van Dongen 2024), wordllama and the StaticEmbedding of
sentence-transformers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.encoder import no_progress
from fusemine.tasks.embed.encoders.models import read_json_file, read_modules
from fusemine.tasks.embed.encoders.tokens import FastTokenizer, Preprocessor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.embed.encoders.encoder import Advance, Prepared
    from fusemine.tasks.embed.settings import EmbedSettings

# Where the wordllama package holds what it loads by default.
_WORDLLAMA = (
    "tokenizers/l2_supercat_tokenizer_config.json",
    "weights/l2_supercat_256.safetensors",
)
# Names of the matrix in files of sentence-transformers and wordllama, and of model2vec.
_MATRICES = ("embedding.weight", "embeddings")
_TEXTS_AT_A_TIME = 4096
# So many tokens are added up by themselves: float32 loses digits in a longer sum.
_RUN = 1024


def static_files(folder: Path) -> tuple[Path, Path] | None:
    """The files of a static model, found without reading its weights.

    Covered are folders of model2vec, of sentence-transformers with nothing but a StaticEmbedding,
    and that of the wordllama package.

    Returns:
        The tokenizer's file and that of the weights; None for any other model.
    """
    inner = _inner(folder)
    candidates = [(folder / _WORDLLAMA[0], folder / _WORDLLAMA[1])]
    if inner is not None:
        candidates.append((inner / "tokenizer.json", inner / "model.safetensors"))
    return next((files for files in candidates if all(file.is_file() for file in files)), None)


def _inner(folder: Path) -> Path | None:
    """Where a folder holds a static model's files; None if its small files name another model."""
    modules = read_modules(folder)
    if modules:
        kinds = [kind for kind, _ in modules]
        plain = kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])
        return folder / modules[0][1] if plain else None
    if read_json_file(folder / "config.json", dict).get("model_type") == "model2vec":
        return folder
    # Older versions of model2vec do not name it.
    return folder if "embeddings" in _tensor_names(folder / "model.safetensors") else None


def _tensor_names(path: Path) -> list[str]:
    """Names of the tensors in a safetensors file; none where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return list(file.keys())
    except (OSError, SafetensorError):
        return []


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

    def __init__(self, folder: Path, settings: EmbedSettings, **_: object) -> None:
        files = static_files(folder)
        if files is None:
            raise ModelError(
                got=f"{folder}, which holds no static model",
                expected="a folder of model2vec, of a StaticEmbedding, or of wordllama",
                fix="name another one as embed.model",
            )
        tokenizer = FastTokenizer(files[0], specials=False)
        self._matrix = TokenMatrix(files[1])
        tokenizer.check_vocabulary(self._matrix.tokens, f", but {files[1]} with the vectors of")
        self._unknown = _unknown_id(tokenizer.inner)
        self._texts = Preprocessor(tokenizer, settings, settings.max_tokens, settings.prompt or "")
        self.dimension = self._matrix.dimension
        self.max_tokens = settings.max_tokens

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise; see the protocol."""
        read = self._texts.prepare(texts)
        known = [[token for token in ids if token != self._unknown] for ids in read.ids]
        return replace(read, ids=known, sizes=list(map(len, known)))

    def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
        """Compute; see the protocol. A piece without a known token is zero."""
        vectors = np.zeros((len(prepared.ids), self.dimension), np.float32)
        for first in range(0, len(vectors), _TEXTS_AT_A_TIME):
            some = slice(first, first + _TEXTS_AT_A_TIME)
            vectors[some] = self._matrix.means(prepared.ids[some])
            sizes = prepared.sizes[some]
            advance(len(sizes), sum(sizes))
        return vectors


def _unknown_id(tokenizer: Any) -> int | None:
    """The id of what a tokenizer does not know; None where it knows everything."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is None:
        return model.get("unk_id")  # type: ignore[no-any-return]
    return tokenizer.token_to_id(model["unk_token"])  # type: ignore[no-any-return]


class TokenMatrix:
    """The vectors of a static model's tokens.

    Args:
        path: A safetensors file with a matrix and, as newer versions of model2vec write them,
            a weight for each token and the row that it shares with others.

    Attributes:
        dimension: Length of a vector.
        tokens: How many have one.

    Raises:
        ModelError: It cannot be read or is no such file.
    """

    def __init__(self, path: Path) -> None:
        tensors = _load(path)
        matrix = next((tensors[name] for name in _MATRICES if name in tensors), None)
        if matrix is None or matrix.ndim != 2 or not matrix.size:
            _refuse(path, "without a matrix of token vectors")
        self._matrix = np.ascontiguousarray(matrix, np.float32)
        self._rows, self._weights = tensors.get("mapping"), tensors.get("weights")
        self.dimension = int(matrix.shape[1])
        self.tokens = len(matrix) if self._rows is None else self._rows.size
        if self._rows is not None and not _are_rows(self._rows, len(matrix)):
            _refuse(path, "that maps tokens to rows which its matrix does not have")
        if self._weights is not None and self._weights.shape != (self.tokens,):
            _refuse(path, f"with {self._weights.shape} weights for {self.tokens} tokens")

    def means(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The mean of the vectors of each list's tokens.

        It has the same bits whatever else is in the call.

        Args:
            ids: Lists of tokens below `tokens`; an empty one gets zeros.

        Returns:
            float32 of shape (lists, dimension).
        """
        from scipy.sparse import csr_array

        sizes = np.fromiter(map(len, ids), np.int64, len(ids))
        tokens = np.fromiter(chain.from_iterable(ids), np.int64, int(sizes.sum()))
        rows = tokens if self._rows is None else self._rows[tokens]
        weights = np.ones(len(rows)) if self._weights is None else self._weights[tokens]
        runs, bounds = _runs(sizes)
        # A product with a sparse matrix adds up the rows one after the other, without a copy:
        # first those of each run, then the sums of each list's runs.
        shape = (len(bounds) - 1, len(self._matrix))
        sums = csr_array((weights.astype(np.float32), rows, bounds), shape) @ self._matrix
        ones, ends = np.ones(len(sums), np.float32), np.append(0, np.cumsum(runs))
        sums = csr_array((ones, np.arange(len(sums)), ends), (len(ids), len(sums))) @ sums
        return np.asarray(sums / np.maximum(sizes, 1).astype(np.float32)[:, None])


def _runs(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many runs each list has, and where they begin, with the end of the last one."""
    runs = -(-sizes // _RUN)
    within = np.arange(runs.sum()) - np.repeat(np.cumsum(runs) - runs, runs)
    starts = np.repeat(np.cumsum(sizes) - sizes, runs) + _RUN * within
    return runs, np.append(starts, sizes.sum())


def _are_rows(rows: np.ndarray, count: int) -> bool:
    whole = rows.ndim == 1 and rows.dtype.kind in "iu" and rows.size > 0
    return bool(whole and rows.min() >= 0 and rows.max() < count)


def _load(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    # numpy lacks some types of numbers: a KeyError or a TypeError.
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        _refuse(path, f"which cannot be read ({str(error)[:100]})", error)


def _refuse(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    raise ModelError(
        got=f"{path} {what}" if cause is None else f"{path}, {what}",
        expected="the vectors of a model's tokens, float16 or float32, in safetensors",
        fix="fetch the model again or name another one",
    ) from cause
