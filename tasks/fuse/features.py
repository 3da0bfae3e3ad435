"""The features of the unsupervised miners: dense blocks, fitted without labels, and their table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fusemine.tasks.core.vectors import to_arrow, to_numpy
from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.fuse.transformers import BlockName, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings

DENSE: tuple[BlockName, ...] = ("text", "numbers", "categories")
PREFIX = "block."


@dataclass(frozen=True)
class FeatureBlock:
    """One block of features of n rows."""

    matrix: NDArray[np.float32]
    """Balanced values (n, d)."""
    names: tuple[str, ...]
    """d names, `<block>.<feature>`."""
    scale: float
    """`matrix / scale` are the values before balancing; never 0."""


def fit_features(
    clean: pl.DataFrame, vectors: NDArray[np.float32], settings: FuseSettings
) -> dict[str, FeatureBlock]:
    """Fit the text vectors, numbers and categories on these rows, whatever their labels.

    Args:
        clean: The clean table, n rows.
        vectors: The texts' vectors, float32 (n, d), zero where there is no text.
        settings: How rows become blocks.

    Returns:
        The blocks by name; one with nothing in it is not there.
    """
    weights: dict[BlockName, float] = {name: getattr(settings.weights, name) for name in DENSE}
    fitted = fit_blocks(Rows(clean, vectors), weights, settings)
    return {
        block.name: FeatureBlock(dense(matrix), block.features, block.scale)
        for block, matrix in fitted
    }


def dense(matrix: object) -> NDArray[np.float32]:
    """A block's matrix (n, d), sparse or not, as a dense one."""
    array = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    return np.ascontiguousarray(array, dtype=np.float32)


def features_table(row_ids: Sequence[str], blocks: Mapping[str, FeatureBlock]) -> pa.Table:
    """The blocks as a table by the contract `features`, each feature named in the metadata."""
    columns = {"row_id": pa.array(row_ids, pa.string())}
    described = {}
    for name, block in blocks.items():
        columns[PREFIX + name] = to_arrow(block.matrix)
        described[name] = {"scale": block.scale, "features": list(block.names)}
    metadata = {"dtype": "float32", "blocks": json.dumps(described, ensure_ascii=False)}
    return pa.table(columns).replace_schema_metadata(metadata)


def table_block(stored: pa.Table) -> tuple[NDArray[np.float32], list[str]]:
    """Every block but the text's, side by side: float32 of shape (rows, features), and names."""
    described = json.loads(stored.schema.metadata[b"blocks"])
    chosen = [name for name in described if name != "text"]
    matrices = [to_numpy(stored.column(PREFIX + name)) for name in chosen]
    names = [feature for name in chosen for feature in described[name]["features"]]
    return np.hstack([np.empty((stored.num_rows, 0), np.float32), *matrices]), names
