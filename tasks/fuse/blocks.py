"""Blocks of features: which transformers make a row, and how their features are balanced.

Every block is scaled so that its rows scatter around their mean with a mean squared distance of
1, times the block's weight squared. So 384 text dimensions weigh as much as 4 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import CategoryEncoder, LevelNameEncoder
from fusemine.tasks.fuse.dates import DateEncoder
from fusemine.tasks.fuse.numbers import NumberScaler
from fusemine.tasks.fuse.target_encoding import TargetEncoding
from fusemine.tasks.fuse.text_vectors import TextVectors
from fusemine.tasks.fuse.tfidf import Tfidf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows, Transformer
    from fusemine.tasks.stats.target import Target

_TRANSFORMERS: dict[BlockName, Callable[[FuseSettings], Transformer]] = {
    "text": TextVectors,
    "terms": lambda settings: Tfidf(settings.max_terms),
    "numbers": NumberScaler,
    "categories": CategoryEncoder,
    "dates": lambda _: DateEncoder(),
    "levels": LevelNameEncoder,
    "rates": lambda _: TargetEncoding(),
}


@storable
@dataclass(frozen=True)
class Block:
    """A fitted transformer and the scale that balances its features."""

    name: BlockName
    transformer: Transformer
    scale: float
    """Divide a feature by it to get the transformer's own value back; never 0."""

    @cached_property
    def features(self) -> tuple[str, ...]:
        """`<block>.<feature>`, one for each column of the matrix."""
        names = self.transformer.get_feature_names_out()
        return tuple(f"{self.name}.{feature}" for feature in names)

    def transform(self, rows: Rows) -> Matrix:
        """The balanced float32 features (n, d) of any rows with the same columns."""
        return _scaled(self.transformer.transform(rows), self.scale)


def fit_blocks(
    rows: Rows,
    weights: Mapping[BlockName, float],
    settings: FuseSettings,
    target: Target | None = None,
) -> list[tuple[Block, Matrix]]:
    """Fit blocks on these rows, and give each with its balanced features (n, d).

    A block with nothing in it (no such column, no text at all, weight 0) is left out. The features
    of `rates` are made out of fold: what `transform` gives for these rows saw their labels.

    Args:
        rows: The n rows.
        weights: How much each block counts.
        settings: How rows become blocks.
        target: The label of these rows, for the transformers that learn from it.
    """
    fitted = []
    for name, weight in weights.items():
        if weight > 0:
            transformer = _TRANSFORMERS[name](settings)
            raw = transformer.fit_transform(rows, target)
            block = Block(name, transformer, _scale(spread(raw), weight))
            fitted.append((block, _scaled(raw, block.scale)))
    return [pair for pair in fitted if pair[0].features]


def spread(matrix: Matrix) -> float:
    """The mean squared distance of the rows of a dense or sparse matrix (n, d) to their mean.

    >>> spread(np.array([[0.0, 3.0], [2.0, 3.0]]))
    1.0
    """
    if 0 in matrix.shape:
        return 0.0
    mean = np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
    squares = matrix.multiply(matrix) if hasattr(matrix, "multiply") else np.square(matrix)
    second_moment = float(squares.sum(dtype=np.float64)) / int(matrix.shape[0])
    return max(0.0, second_moment - float(mean @ mean))


def _scaled(matrix: Matrix, scale: float) -> Matrix:
    """The matrix times the scale; a sparse one, which nobody else holds, is changed in place."""
    if not hasattr(matrix, "toarray"):
        return matrix * np.float32(scale)
    matrix.data *= np.float32(scale)
    return matrix


def _scale(scatter: float, weight: float) -> float:
    # Rows that are all alike have no spread, but for rounding, and are not blown up.
    return weight / float(np.sqrt(scatter)) if scatter > 1e-9 else weight
