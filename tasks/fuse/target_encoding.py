"""Target encoding: what the label is on average for each level of a category.

The average of a level is drawn towards that of all rows, the more so the fewer rows the level
has (Micci-Barreca 2001). The rows that it is learned from are encoded by the others, fold by fold:
a model whose training rows saw their own label would trust the averages too much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import Matrix, Rows, Transformer
from fusemine.tasks.stats.sampling import assign_folds
from fusemine.tasks.stats.target import target_matrix
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

FOLDS, SEED = 5, 0
SMOOTH = 10.0
"""The average of all rows counts as much as this many rows of a level. scikit-learn's `auto` would
not smooth at all a level whose few rows are of one class."""
MIN_LEVELS = 3
"""With fewer levels, one feature for each level already holds the same."""
MAX_CLASSES = 10


@storable
class TargetEncoding(Transformer):
    """The average label of each level: of a class its share, of numbers in standard deviations.

    Null is a level of its own; a level that was not seen has the average of all rows. It learns
    from the target, and has no features without one, with a single class, or with more than 10.
    """

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Learn from all rows, and give for each the averages of the other folds."""
        self.names: list[str] = []
        self.labels: list[str] = []
        if target is None or target.classes > MAX_CLASSES or len(np.unique(target.values)) < 2:
            return self.transform(rows)
        several = target.classes > 2
        self.labels = [f" (class {k})" for k in range(target.classes)] if several else [""]
        categories = rows.columns(CATEGORY)
        named = [name for name in categories if rows.clean[name].n_unique() >= MIN_LEVELS]
        # Where all rows belong together, none can be encoded by others.
        fold = assign_folds(target, rows.clean, FOLDS, SEED) if named else np.empty(0, np.int64)
        if len(np.unique(fold)) < 2:
            return self.transform(rows)
        self.names = [name.removeprefix(CATEGORY) for name in named]
        return self._fit(rows, target_matrix(target), fold)

    def transform(self, rows: Rows) -> Matrix:
        """The averages, float32 (n, outputs × categories)."""
        if not (len(rows) and self.names):
            return np.empty((len(rows), len(self.get_feature_names_out())), dtype=np.float32)
        return _encoded(self.encoders, self.ordinals.transform(self._levels(rows)))

    def get_feature_names_out(self) -> list[str]:
        """The columns; of more than two classes `<column> (class <code>)`, class by class."""
        return [name + label for label in self.labels for name in self.names]

    def _fit(self, rows: Rows, columns: Floats, fold: NDArray[np.int64]) -> Matrix:
        from sklearn.preprocessing import OrdinalEncoder

        self.ordinals = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        )
        codes = self.ordinals.fit_transform(self._levels(rows))
        self.encoders = _encoders(codes, columns)
        result = np.empty((len(rows), len(self.names) * len(self.labels)), dtype=np.float32)
        for held in (fold == part for part in np.unique(fold)):
            result[held] = _encoded(_encoders(codes[~held], columns[~held]), codes[held])
        return result

    def _levels(self, rows: Rows) -> NDArray[np.object_]:
        columns = pl.col([CATEGORY + name for name in self.names]).cast(pl.String)
        return rows.clean.select(columns).to_numpy().astype(object)


def _encoders(codes: Floats, columns: Floats) -> list[Any]:
    """One for each column of the target, whichever classes these rows happen to hold."""
    from sklearn.preprocessing import TargetEncoder

    return [
        TargetEncoder(target_type="continuous", smooth=SMOOTH).fit(codes, column)
        for column in columns.T
    ]


def _encoded(encoders: list[Any], codes: Floats) -> NDArray[np.float32]:
    return np.hstack([encoder.transform(codes) for encoder in encoders]).astype(np.float32)
