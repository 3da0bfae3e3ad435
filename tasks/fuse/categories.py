"""Categories as one feature per level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import Matrix, Part, Rows, as_columns
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.stats.target import Target

MISSING, RARE = "(missing)", "(rare)"


@storable
class Categories(Part):
    """One feature per frequent level of each category, and one for all the others.

    A level that was not seen counts as a rare one; null is a level of its own.
    """

    def __init__(self, settings: FuseSettings) -> None:
        self.settings = settings

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Choose the levels that are frequent enough."""
        least = max(2, min(self.settings.rare_level, len(rows) // 100))
        self.names = [name.removeprefix(CATEGORY) for name in rows.columns(CATEGORY)]
        self.levels = [
            _levels(rows.clean[CATEGORY + name], least, self.settings.max_levels)
            for name in self.names
        ]
        return self.transform(rows)

    def codes(self, rows: Rows) -> NDArray[np.int64]:
        """The position of each row's level (n, columns); the last position is `(rare)`."""
        coded = [
            rows.clean[CATEGORY + name]
            .fill_null(MISSING)
            .replace_strict(levels, range(len(levels)), default=len(levels), return_dtype=pl.Int64)
            .to_numpy()
            for name, levels in zip(self.names, self.levels, strict=True)
        ]
        return as_columns(coded, len(rows)).astype(np.int64)

    def transform(self, rows: Rows) -> Matrix:
        """0 or 1 per level as CSR (n, levels)."""
        from scipy import sparse

        widths = [len(levels) + 1 for levels in self.levels]
        starts = np.cumsum([0, *widths])[:-1].astype(np.int64)
        columns = (self.codes(rows) + starts).ravel()
        pointers = np.arange(len(rows) + 1) * len(widths)
        ones = np.ones(len(columns), dtype=np.float32)
        return sparse.csr_matrix((ones, columns, pointers), shape=(len(rows), sum(widths)))

    def get_feature_names_out(self) -> list[str]:
        """`<column> = <level>`."""
        named = zip(self.names, self.levels, strict=True)
        return [f"{name} = {level}" for name, levels in named for level in [*levels, RARE]]


def _levels(column: pl.Series, least: int, most: int) -> list[str]:
    counts = column.fill_null(MISSING).value_counts(name="rows")
    frequent = counts.filter(pl.col("rows") >= least).sort(
        ["rows", column.name], descending=[True, False]
    )
    return sorted(frequent[column.name].head(most).to_list())
