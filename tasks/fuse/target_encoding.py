"""Target encoding: what the label is on average for each level of a category.

The average of a level is drawn towards that of all rows, the more so the fewer rows the level
has (Micci-Barreca 2001). The rows that it is learnt from are encoded by the others, fold by fold:
a row that saw its own label would make a learner trust the rates too much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import Matrix, Part, Rows
from fusemine.tasks.stats.folds import folds_of
from fusemine.tasks.stats.target_matrix import goals
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

FOLDS, SEED = 5, 0
SMOOTH = 10.0
"""The average of all rows counts as much as so many rows of a level. scikit-learn's `auto` would
not smooth at all a level whose few rows are of one class."""
LEAST_LEVELS = 3
"""Of fewer levels, one feature per level already says it all."""
MOST_CLASSES = 10


@storable
class Rates(Part):
    """The average label of each level: of a class its share, of numbers in standard deviations.

    Null is a level of its own; a level that was not seen has the average of all rows. It learns
    from the target, and has no features without one, with a single class, or with more than 10.
    """

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Learn from all rows, and give for each the rates of the other folds."""
        self.names: list[str] = []
        self.labels: list[str] = []
        if target is None or target.classes > MOST_CLASSES or len(np.unique(target.values)) < 2:
            return self.transform(rows)
        named = [name for name in rows.columns(CATEGORY) if _levels(rows.clean[name])]
        self.names = [name.removeprefix(CATEGORY) for name in named]
        self.labels = (
            [f" (class {k})" for k in range(target.classes)] if target.classes > 2 else [""]
        )
        if not self.names:
            return self.transform(rows)
        fold = folds_of(target, rows.clean, FOLDS, SEED)
        if len(np.unique(fold)) < 2:  # all rows belong together, so none can be learnt from apart
            self.names = []
            return self.transform(rows)
        return self._learn(rows, goals(target), fold)

    def transform(self, rows: Rows) -> Matrix:
        """The rates, float32 (n, outputs × categories)."""
        if not (len(rows) and self.names):
            return np.empty((len(rows), len(self.get_feature_names_out())), dtype=np.float32)
        codes = self.ordinals.transform(self._table(rows))
        return _rates(self.encoders, codes)

    def get_feature_names_out(self) -> list[str]:
        """The columns; of more than two classes `<column> (class <code>)`, class by class."""
        return [name + label for label in self.labels for name in self.names]

    def _learn(self, rows: Rows, wanted: Floats, fold: NDArray[np.int64]) -> Matrix:
        from sklearn.preprocessing import OrdinalEncoder

        self.ordinals = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        )
        codes = self.ordinals.fit_transform(self._table(rows))
        self.encoders = _encoders(codes, wanted)
        result = np.empty((len(rows), len(self.names) * len(self.labels)), dtype=np.float32)
        for held in (fold == part for part in np.unique(fold)):
            result[held] = _rates(_encoders(codes[~held], wanted[~held]), codes[held])
        return result

    def _table(self, rows: Rows) -> NDArray[np.object_]:
        columns = pl.col([CATEGORY + name for name in self.names]).cast(pl.String)
        return rows.clean.select(columns).to_numpy().astype(object)


def _levels(column: pl.Series) -> bool:
    return column.n_unique() >= LEAST_LEVELS


def _encoders(codes: Floats, wanted: Floats) -> list[Any]:
    """One for each column of the target, whichever classes these rows happen to hold."""
    from sklearn.preprocessing import TargetEncoder

    return [
        TargetEncoder(target_type="continuous", smooth=SMOOTH).fit(codes, column)
        for column in wanted.T
    ]


def _rates(encoders: list[Any], codes: Floats) -> NDArray[np.float32]:
    return np.hstack([encoder.transform(codes) for encoder in encoders]).astype(np.float32)
