"""Recipes of blocks: which parts a row is made of, and how they are balanced.

Every block is scaled so that its rows scatter around their mean with a mean squared distance of
1, times the block's weight squared. So 384 text dimensions weigh as much as 4 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.fuse.parts import BlockName, Categories, Matrix, Numbers, Part, Rows, Vectors
from tasks.fuse.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.fuse.settings import FuseSettings


@dataclass(frozen=True)
class Block:
    """A fitted part, the names of its features and the scale that balances it."""

    name: BlockName
    part: Part
    features: tuple[str, ...]
    """`<block>.<feature>`, one per column of the matrix."""
    scale: float
    """Divide a feature by it to get the part's own value back; never 0."""

    def transform(self, rows: Rows) -> Matrix:
        """The balanced float32 features (n, d) of any rows with the same columns."""
        return self.part.transform(rows) * np.float32(self.scale)


def fit_blocks(
    rows: Rows, weights: Mapping[BlockName, float], settings: FuseSettings
) -> list[tuple[Block, Matrix]]:
    """Fit blocks on these rows, and give each with its balanced features (n, d).

    A block with nothing in it (no such column, no text at all, weight 0) is left out.
    """
    fitted = [_fit(rows, name, weight, settings) for name, weight in weights.items() if weight > 0]
    return [pair for pair in fitted if pair[0].features]


def spread(matrix: Matrix) -> float:
    """The mean squared distance of the rows of a dense or sparse matrix to their mean."""
    if 0 in matrix.shape:
        return 0.0
    mean = np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
    squares = matrix.multiply(matrix) if hasattr(matrix, "multiply") else np.square(matrix)
    second_moment = float(squares.sum(dtype=np.float64)) / int(matrix.shape[0])
    return max(0.0, second_moment - float(mean @ mean))


def _fit(
    rows: Rows, name: BlockName, weight: float, settings: FuseSettings
) -> tuple[Block, Matrix]:
    part = _part(name, settings)
    raw = part.fit_transform(rows)
    features = tuple(f"{name}.{feature}" for feature in part.get_feature_names_out())
    scale = _scale(spread(raw), weight)
    return Block(name, part, features, scale), raw * np.float32(scale)


def _part(name: BlockName, settings: FuseSettings) -> Part:
    if name == "text":
        return Vectors()
    if name == "terms":
        return Terms(settings.max_terms)
    return Numbers() if name == "numbers" else Categories(settings)


def _scale(scatter: float, weight: float) -> float:
    # Rows that are all alike have no spread, but for rounding, and are not blown up.
    return weight / float(np.sqrt(scatter)) if scatter > 1e-9 else weight
