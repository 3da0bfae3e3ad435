"""The names of the levels of a category, so that like names are alike.

In the manner of skrub's `StringEncoder` (skrub-data/skrub): TF-IDF of character sequences within
words, reduced by a truncated singular value decomposition. Why sequences of characters suit
categories with many levels is in Cerda and Varoquaux 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.tfidf import Sequences
from fusemine.tasks.fuse.transformers import Matrix, Part, Rows
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.stats.target import Target

WIDEST = 16
"""The most dimensions of one category."""
SEED = 0


@storable
class Levels(Part):
    """The names of the levels of each category with more than `settings.many_levels` of them.

    A level that was not seen has a place by its name; null, and a name that shares no sequence
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
        """The places of the names, float32 (n, dimensions of all categories)."""
        empty = np.empty((len(rows), 0), dtype=np.float32)
        if not len(rows):
            return np.empty((0, len(self.get_feature_names_out())), dtype=np.float32)
        named = self.spellings.items()
        return np.hstack([empty, *(how.places(rows.clean[CATEGORY + name]) for name, how in named)])

    def get_feature_names_out(self) -> list[str]:
        """`<column> ~ <dimension>`."""
        named = self.spellings.items()
        return [f"{name} ~ {dimension}" for name, how in named for dimension in range(how.width)]


@storable
@dataclass(frozen=True)
class _Spelling:
    """How the names of one category's levels become places."""

    sequences: Sequences
    topics: Any
    """A fitted truncated SVD of the sequences."""

    @property
    def width(self) -> int:
        return len(self.topics.components_)

    def places(self, column: pl.Series) -> Matrix:
        """Places (n, width) of the names, each distinct name read only once."""
        names = column.cast(pl.String).fill_null("")
        distinct = names.unique().sort()
        index = names.replace_strict(distinct, range(len(distinct)), return_dtype=pl.Int64)
        places = self.topics.transform(self.sequences.transform(distinct.to_list()))
        return places.astype(np.float32)[index.to_numpy()]


def _spelling(levels: pl.Series, most: int) -> _Spelling | None:
    """None if the names are blank or too much alike to be told apart."""
    from sklearn.decomposition import TruncatedSVD

    names = levels.filter(levels.str.strip_chars() != "").sort().to_list()
    if not names:
        return None
    sequences = Sequences(1, most)
    found = sequences.fit_transform(names)
    dimensions = min(WIDEST, min(found.shape) - 1)
    if dimensions < 1:
        return None
    # The shares of variance that it divides by zero, where all names are alike, are not used.
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Spelling(sequences, TruncatedSVD(dimensions, random_state=SEED).fit(found))
