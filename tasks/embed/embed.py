"""Embedding the texts of one partition: each distinct text once, in planned batches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.embed.store import text_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from tasks.embed.model import Encoder
    from tasks.embed.store import EmbeddingStore

CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True)
class Embedded:
    """The vectors of a partition's rows, with what is worth telling about them.

    Args:
        matrix: float32 of shape (rows, dimension); a row without text is all zero.
        distinct: Distinct texts.
        truncated: Distinct texts that are longer than the model reads.
        computed: Texts that went through the model, and were not in the store.
    """

    matrix: np.ndarray
    distinct: int
    truncated: int
    computed: int


def embed(
    texts: pl.Series,
    encoder: Encoder,
    store: EmbeddingStore,
    batch_tokens: int,
    progress: Callable[[int], None] | None = None,
) -> Embedded:
    """Embed the joined texts of a partition.

    Args:
        texts: The texts in row order; an empty one gets the zero vector.
        encoder: The model.
        store: Where vectors are looked up and kept.
        batch_tokens: Tokens in a batch, padding included.
        progress: Told how many distinct texts each step has finished.
    """
    store.refresh()
    distinct = texts.filter(texts != "").unique(maintain_order=True).to_list()
    tokens = encoder.count_tokens(distinct) if distinct else []
    cut = [min(count, encoder.max_tokens) for count in tokens]
    computed = 0
    saved = time.monotonic()
    for batch in plan_batches(distinct, cut, batch_tokens):
        computed += _embed_batch(batch, encoder, store)
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            store.flush()
            saved = time.monotonic()
        if progress:
            progress(len(batch))
    store.flush()
    truncated = sum(count > encoder.max_tokens for count in tokens)
    return Embedded(_rows(texts, encoder, store), len(distinct), truncated, computed)


def plan_batches(
    texts: Sequence[str], tokens: Sequence[int], batch_tokens: int
) -> Iterator[list[str]]:
    """Batches of texts of like length, longest first.

    The plan depends on the texts alone, never on what the store has: another grouping would
    change the last bits of a vector.
    """
    batch: list[str] = []
    longest = 0
    for length, text in sorted(zip(tokens, texts, strict=True), key=lambda p: (-p[0], p[1])):
        if batch and (len(batch) + 1) * longest > batch_tokens:
            yield batch
            batch = []
        longest = longest if batch else length
        batch.append(text)
    if batch:
        yield batch


def _embed_batch(batch: list[str], encoder: Encoder, store: EmbeddingStore) -> int:
    """Embed a batch unless all of it is stored; an incomplete one is computed again whole."""
    keys = [text_hash(text) for text in batch]
    if all(key in store for key in keys):
        return 0
    store.add(keys, encoder.encode(batch))
    return len(batch)


def _rows(texts: pl.Series, encoder: Encoder, store: EmbeddingStore) -> np.ndarray:
    matrix = np.zeros((len(texts), encoder.dimension), np.float32)
    filled = [i for i, text in enumerate(texts) if text]
    matrix[filled] = store.get([text_hash(texts[i]) for i in filled])
    return matrix
