"""The features of the unsupervised miners: dense blocks, fitted without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.fuse.transformers import BlockName, Rows

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings

DENSE: tuple[BlockName, ...] = ("text", "numbers", "categories")


@dataclass(frozen=True)
class FeatureBlock:
    """One block of features of n rows."""

    matrix: NDArray[np.float32]
    """Balanced values (n, d)."""
    names: tuple[str, ...]
    """d names, `<block>.<feature>`."""
    scale: float
    """`matrix / scale` are the values before balancing; never 0."""


@dataclass(frozen=True)
class Features:
    """The dense blocks of n rows; a block with nothing in it is not there."""

    rows: int
    blocks: dict[str, FeatureBlock]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all features, in the order of `matrix`."""
        return tuple(name for block in self.blocks.values() for name in block.names)

    @property
    def matrix(self) -> NDArray[np.float32]:
        """All blocks side by side (n, d)."""
        empty = np.empty((self.rows, 0), dtype=np.float32)
        return np.hstack([empty, *(block.matrix for block in self.blocks.values())])


def fit_features(
    clean: pl.DataFrame, vectors: NDArray[np.float32], settings: FuseSettings
) -> Features:
    """Fit the text vectors, numbers and categories on these rows, whatever their labels.

    Args:
        clean: The clean table, n rows.
        vectors: The texts' vectors, float32 (n, d), zero where there is no text.
        settings: How rows become blocks.
    """
    weights: dict[BlockName, float] = {name: getattr(settings.weights, name) for name in DENSE}
    fitted = fit_blocks(Rows(clean, vectors), weights, settings)
    blocks: dict[str, FeatureBlock] = {
        block.name: FeatureBlock(dense(matrix), block.features, block.scale)
        for block, matrix in fitted
    }
    return Features(clean.height, blocks)


def dense(matrix: object) -> NDArray[np.float32]:
    """A block's matrix (n, d), sparse or not, as a dense one."""
    array = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    return np.ascontiguousarray(array, dtype=np.float32)
