"""Embedding the texts of one partition: each distinct text once, whatever runs beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.encoder import Advance, no_progress
from fusemine.tasks.embed.fill import Engine, fill
from fusemine.tasks.embed.store.space import add_use
from fusemine.tasks.embed.store.store import keys_of
from fusemine.tasks.table.roles import TEXT

if TYPE_CHECKING:
    from fusemine.tasks.embed.settings import EmbedSettings
    from fusemine.tasks.embed.store.store import StoredVectors

# A store that loses again and again what was just written is on a disk that fails.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Embedded:
    """The vectors of a partition's rows, with counts for its summary.

    Args:
        matrix: float16 or float32 of shape (rows, dimension): unit vectors; a row without text is
            all zero.
        distinct: Distinct texts.
        computed: Texts that went through the model, and were not in the store.
        tokens: Tokens of all distinct texts before any cut, where the encoder counts them.
        long: Distinct texts of more tokens than the encoder reads at once.
        foreign: Distinct texts by language, of those that the model does not know.
    """

    matrix: np.ndarray
    distinct: int
    computed: int
    tokens: int
    long: int
    foreign: dict[str, int]


def embed(
    columns: dict[str, pl.Series], engine: Engine, advance: Advance = no_progress
) -> Embedded:
    """Embed the texts of a partition.

    Args:
        columns: The texts of each column in row order; an empty one gets the zero vector.
            The vectors of several columns are put side by side, so weighted that the cosine of
            two rows that have all texts is the weighted mean of their columns' cosines.
        engine: How to embed.
        advance: Called with texts and tokens as soon as they are found or computed.

    Raises:
        ArtifactError: The store cannot be read back.
    """
    every = pl.concat([texts.alias("text") for texts in columns.values()])
    distinct = every.filter(every.str.strip_chars() != "").unique(maintain_order=True)
    found, computed = _stored(distinct.to_list(), engine, advance)
    facts = engine.facts()
    blocks = {
        name: _rows(texts, distinct, found, facts.dimension) for name, texts in columns.items()
    }
    languages = Counter(name for name in found.languages if name and name not in engine.languages)
    return Embedded(
        matrix=_side_by_side(blocks, engine.settings.weights),
        distinct=len(distinct),
        computed=computed,
        tokens=int(found.tokens.sum()),
        long=int((found.tokens > facts.max_tokens).sum()) if facts.max_tokens else 0,
        foreign=dict(sorted(languages.items())) if engine.languages else {},
    )


def columns_of(rows: pl.DataFrame, settings: EmbedSettings) -> dict[str, pl.Series]:
    """The texts to embed: the joined ones, or those of each column by its name."""
    if settings.columns == "joined":
        return {"text": rows["text"]}
    names = [name for name in rows.columns if name.startswith(TEXT)]
    return {name.removeprefix(TEXT): rows[name] for name in names}


def _stored(texts: list[str], engine: Engine, advance: Advance) -> tuple[StoredVectors, int]:
    """All texts from the store, after those that it did not have were computed."""
    store = engine.vectors
    store.refresh()
    keys = keys_of(texts)
    hits = int(store.has(keys).sum())
    computed = 0
    for _ in range(_ATTEMPTS):
        computed += fill(texts, keys, engine, advance)
        advance = no_progress  # what is done again has been counted already
        found = store.fetch(keys)
        if found.known.all():
            break
    else:
        raise ArtifactError(
            got=f"{int((~found.known).sum())} vectors that are damaged as soon as they are stored",
            expected="a disk that keeps what was written to it",
            fix="look at the disk of the root, then run again",
        )
    if texts:
        add_use(store.store, store.space, len(texts), hits)
    if computed:
        store.compact()
    return found, computed


def _rows(
    texts: pl.Series, distinct: pl.Series, found: StoredVectors, dimension: int
) -> np.ndarray:
    """The vectors of the distinct texts, row by row, of shape (rows, dimension)."""
    numbers = distinct.alias("text").to_frame().with_row_index("number")
    rows = texts.alias("text").to_frame().join(numbers, "text", "left", maintain_order="left")
    has_text = rows["number"].is_not_null().to_numpy()
    matrix = np.zeros((len(texts), dimension), found.matrix.dtype)
    if has_text.any():
        matrix[has_text] = found.matrix[rows["number"].drop_nulls().to_numpy()]
    return matrix


def _side_by_side(blocks: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    """Unit vectors from those of several columns, of shape (rows, columns * dimension)."""
    first, *others = blocks.values()
    if not others:
        return first
    # The cosine of two rows is then the mean of their columns' cosines by these weights.
    scaled = [
        block.astype(np.float32) * np.sqrt(np.float32(weights.get(name, 1.0)))
        for name, block in blocks.items()
    ]
    return unit(np.hstack(scaled)).astype(first.dtype)
