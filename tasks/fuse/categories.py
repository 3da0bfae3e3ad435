"""Categories as features: one for each level, and the spelling of the levels' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.tfidf import CharTfidf
from fusemine.tasks.fuse.transformers import Matrix, Rows, Transformer, as_columns
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.stats.target import Target

MISSING, RARE = "(missing)", "(rare)"
MAX_DIMENSIONS = 16
"""The most dimensions of the names of one category."""
SEED = 0


@storable
class CategoryEncoder(Transformer):
    """One feature for each frequent level of each category, and one for all the others.

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
        """0 or 1 for each level as CSR (n, levels)."""
        from scipy import sparse

        widths = [len(levels) + 1 for levels in self.levels]
        starts = np.cumsum([0, *widths])[:-1].astype(np.int64)
        # Every row has one level of each category, so that the CSR arrays can be written down.
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


@storable
class LevelNameEncoder(Transformer):
    """The names of the levels of each category with more than `settings.many_levels` of them.

    Names that are spelt alike have like features, as with skrub's `StringEncoder`
    (skrub-data/skrub): TF-IDF of character sequences within words, reduced by a truncated singular
    value decomposition. Cerda and Varoquaux 2022 show why this suits categories with many levels.

    A level that was not seen has features by its name; null, and a name that shares no sequence
    with those seen, have zeros.
    """

    def __init__(self, settings: FuseSettings) -> None:
        self.settings = settings

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Learn how the names of the levels are spelt, however often each of them occurs."""
        names = [name.removeprefix(CATEGORY) for name in rows.columns(CATEGORY)]
        columns = {name: rows.clean[CATEGORY + name].drop_nulls().unique() for name in names}
        self.spellings = {
            name: spelling
            for name, levels in columns.items()
            if len(levels) > self.settings.many_levels
            and (spelling := _spelling(levels, self.settings.max_terms))
        }
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """Features of the names, float32 (n, dimensions of all categories)."""
        if not len(rows):
            return np.empty((0, len(self.get_feature_names_out())), dtype=np.float32)
        empty = np.empty((len(rows), 0), dtype=np.float32)
        named = self.spellings.items()
        return np.hstack([empty, *(how.encode(rows.clean[CATEGORY + name]) for name, how in named)])

    def get_feature_names_out(self) -> list[str]:
        """`<column> ~ <dimension>`."""
        named = self.spellings.items()
        return [f"{name} ~ {dimension}" for name, how in named for dimension in range(how.width)]


@storable
@dataclass(frozen=True)
class _Spelling:
    """How the names of one category's levels become features."""

    sequences: CharTfidf
    svd: Any
    """A fitted truncated SVD of the sequences."""

    @property
    def width(self) -> int:
        return len(self.svd.components_)

    def encode(self, column: pl.Series) -> Matrix:
        """Features (n, width) of the names, each distinct name read only once."""
        names = column.cast(pl.String).fill_null("")
        distinct = names.unique().sort()
        index = names.replace_strict(distinct, range(len(distinct)), return_dtype=pl.Int64)
        encoded = self.svd.transform(self.sequences.transform(distinct.to_list()))
        return encoded.astype(np.float32)[index.to_numpy()]


def _spelling(levels: pl.Series, max_features: int) -> _Spelling | None:
    """None if the names are blank or too much alike to be told apart."""
    from sklearn.decomposition import TruncatedSVD

    names = levels.filter(levels.str.strip_chars() != "").sort().to_list()
    if not names:
        return None
    sequences = CharTfidf(1, max_features)
    found = sequences.fit_transform(names)
    dimensions = min(MAX_DIMENSIONS, min(found.shape) - 1)
    if dimensions < 1:
        return None
    # The shares of variance that it divides by zero, where all names are alike, are not used.
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Spelling(sequences, TruncatedSVD(dimensions, random_state=SEED).fit(found))
