"""Recipes of blocks: which parts a row is made of, and how they are balanced.

Every block is scaled so that its rows scatter around their mean with a mean squared distance of
1, times the block's weight squared. So 384 text dimensions weigh as much as 4 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import Categories
from fusemine.tasks.fuse.dates import Dates
from fusemine.tasks.fuse.levels import Levels
from fusemine.tasks.fuse.numbers import Numbers
from fusemine.tasks.fuse.target_encoding import Rates
from fusemine.tasks.fuse.text_vectors import Vectors
from fusemine.tasks.fuse.tfidf import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.fuse.transformers import BlockName, Matrix, Part, Rows
    from fusemine.tasks.stats.target import Target


@storable
@dataclass(frozen=True)
class Block:
    """A fitted part and the scale that balances it."""

    name: BlockName
    part: Part
    scale: float
    """Divide a feature by it to get the part's own value back; never 0."""

    @cached_property
    def features(self) -> tuple[str, ...]:
        """`<block>.<feature>`, one per column of the matrix."""
        return tuple(f"{self.name}.{feature}" for feature in self.part.get_feature_names_out())

    def transform(self, rows: Rows) -> Matrix:
        """The balanced float32 features (n, d) of any rows with the same columns."""
        return _scaled(self.part.transform(rows), self.scale)


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
        target: The label of these rows, for the parts that learn from it.
    """
    fitted = [
        _fit(rows, target, _part(name, settings), (name, weight))
        for name, weight in weights.items()
        if weight > 0
    ]
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
    rows: Rows, target: Target | None, part: Part, weighed: tuple[BlockName, float]
) -> tuple[Block, Matrix]:
    name, weight = weighed
    raw = part.fit_transform(rows, target)
    scale = _scale(spread(raw), weight)
    return Block(name, part, scale), _scaled(raw, scale)


def _part(name: BlockName, settings: FuseSettings) -> Part:
    makers: dict[BlockName, Callable[[], Part]] = {
        "text": lambda: Vectors(settings),
        "terms": lambda: Terms(settings.max_terms),
        "numbers": lambda: Numbers(settings),
        "categories": lambda: Categories(settings),
        "dates": Dates,
        "levels": lambda: Levels(settings),
        "rates": Rates,
    }
    return makers[name]()


def _scaled(matrix: Matrix, scale: float) -> Matrix:
    """The matrix times the scale; a sparse one, which no one else has, where it lies."""
    if not hasattr(matrix, "toarray"):
        return matrix * np.float32(scale)
    matrix.data *= np.float32(scale)
    return matrix


def _scale(scatter: float, weight: float) -> float:
    # Rows that are all alike have no spread, but for rounding, and are not blown up.
    return weight / float(np.sqrt(scatter)) if scatter > 1e-9 else weight
