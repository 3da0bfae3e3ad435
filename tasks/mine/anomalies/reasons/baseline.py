"""The baseline: ranges, shares and words of the known rows, which a row is compared with."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.table.roles import CATEGORY, NUMBER
from fusemine.tasks.text.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints

MAX_TEXTS = 100_000
"""Words are counted in at most this many distinct texts, evenly spread."""


@dataclass(frozen=True)
class Position:
    """Where a number lies among others.

    Attributes:
        share: The share of the others that it is above, or below if it is low.
        high: Whether it is above most of them.
        low, top: Where most of them are: without a twentieth at either end.
        size: How many they are.
    """

    share: float
    high: bool
    low: float
    top: float
    size: int

    @property
    def rest(self) -> float:
        """The share that is as extreme or more: small where the number is unusual."""
        return max(1 - self.share, 1 / max(self.size, 1))


def position_of(value: float, ordered: Floats) -> Position:
    """Compare a number with others (n,) in ascending order, itself among them.

    >>> place = position_of(9.0, np.array([1.0, 2.0, 3.0, 4.0, 9.0]))
    >>> place.share, place.high, place.low, place.top
    (0.8, True, 2.0, 4.0)
    """
    size = len(ordered)
    below = int(np.searchsorted(ordered, value, "left")) / size
    above = 1 - int(np.searchsorted(ordered, value, "right")) / size
    # At least the first and the last are left out, so that an outlier is not its own measure.
    cut = max(1, int(0.05 * size)) if size > 3 else 0
    low, top = float(ordered[cut]), float(ordered[-1 - cut])
    return Position(max(below, above), below >= above, low, top, size)


@storable
@dataclass(frozen=True)
class KnownNumbers:
    """A column of numbers: (h,) the values of the known rows, NaN where there is none."""

    name: str
    values: Floats

    @cached_property
    def ordered(self) -> Floats:
        """The values, ascending."""
        return np.sort(self.values[~np.isnan(self.values)])


@storable
@dataclass(frozen=True)
class KnownCategories:
    """A column of categories: (h,) the known rows' codes into `levels`, -1 for none."""

    name: str
    codes: NDArray[np.int32]
    levels: list[str]

    def count(self, code: int) -> int:
        """The known rows of a level; 0 of one that history does not have."""
        return int(self._counts[code]) if code < len(self._counts) else 0

    @cached_property
    def filled(self) -> int:
        """The known rows that have a level."""
        return int(self._counts.sum())

    def rows(self, code: int) -> NDArray[np.intp]:
        """The places of the known rows of a level."""
        return self._order[slice(*self._ends[code : code + 2])]

    def as_rare(self, count: int) -> float:
        """The share of the known rows whose level has at most so many of them.

        In a column of names nearly all levels are rare, so a rare one is nothing unusual. Of the
        levels that occur once it is also the chance of one that is not known yet (Good 1953).
        """
        rows = self._rows_upto[min(count, len(self._rows_upto) - 1)]
        return float(rows / max(len(self.codes), 1))

    @cached_property
    def _counts(self) -> Ints:
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))

    @cached_property
    def _rows_upto(self) -> Floats:
        """By a number of rows, the rows of the levels that have at most so many."""
        return np.cumsum(np.bincount(self._counts, weights=self._counts, minlength=1))

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def _ends(self) -> Ints:
        return len(self.codes) - self.filled + np.append(0, np.cumsum(self._counts))


@storable
@dataclass(frozen=True)
class Baseline:
    """What is usual among the known rows.

    Attributes:
        rows: How many rows are known.
        numbers, categories: Their columns.
        words: The words of the texts read, in ascending order.
        word_rows: (w,) how many of the rows with these texts have each.
        texts_read: How many rows have one of the texts read.
    """

    rows: int
    numbers: list[KnownNumbers]
    categories: list[KnownCategories]
    words: list[str]
    word_rows: Ints
    texts_read: int

    @classmethod
    def fit(cls, clean: pl.DataFrame, known: Flags) -> Baseline:
        """Gather what is usual in the known rows (n,) of a clean table."""
        clean = clean.filter(pl.Series(known, dtype=pl.Boolean))
        numbers = [
            KnownNumbers(name.removeprefix(NUMBER), _finite(clean[name]))
            for name in clean.columns
            if name.startswith(NUMBER)
        ]
        categories = [
            KnownCategories(name.removeprefix(CATEGORY), *_coded(clean[name]))
            for name in clean.columns
            if name.startswith(CATEGORY)
        ]
        texts = clean.filter("has_text").group_by("text", maintain_order=True).len("rows")
        read = texts[evenly_spaced(texts.height, MAX_TEXTS)]
        counts: Counter[str] = Counter()
        for text, rows in read.select("text", "rows").iter_rows():
            for word in set(words(text)):
                counts[word] += rows
        listed = sorted(counts)
        word_rows = np.array([counts[word] for word in listed], np.int64)
        total = int(read["rows"].sum())
        return cls(clean.height, numbers, categories, listed, word_rows, total)

    def code(self, word: str) -> int:
        """The place of a word among `words`, or -1."""
        place = bisect_left(self.words, word)
        return place if place < len(self.words) and self.words[place] == word else -1

    def rows_with(self, word: str) -> int:
        """How many of the rows with a text read have a word."""
        place = self.code(word)
        return int(self.word_rows[place]) if place >= 0 else 0

    @cached_property
    def _groups(self) -> dict[tuple[str, str, int], Floats]:
        return {}

    @cached_property
    def _pairs(self) -> dict[tuple[str, str], Ints]:
        return {}

    def among(self, column: KnownNumbers, other: KnownCategories, code: int) -> Floats:
        """The numbers of the known rows that have one level, ascending."""
        key = column.name, other.name, code
        if key not in self._groups:
            values = column.values[other.rows(code)]
            self._groups[key] = np.sort(values[~np.isnan(values)])
        return self._groups[key]

    def together(
        self, column: KnownCategories, other: KnownCategories, code: int, other_code: int
    ) -> int:
        """How many known rows have both levels."""
        key = column.name, other.name
        wide = len(other.levels)
        if other_code >= wide:
            return 0
        # Both codes of a row make one number, so that pairs are counted in a sorted array.
        if key not in self._pairs:
            both = (column.codes >= 0) & (other.codes >= 0)
            self._pairs[key] = np.sort(
                column.codes[both].astype(np.int64) * wide + other.codes[both]
            )
        pair = code * wide + other_code
        ends = np.searchsorted(self._pairs[key], [pair, pair + 1])
        return int(ends[1] - ends[0])


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: (n,) values, NaN where there is none, and those of the known rows."""

    values: Floats
    history: KnownNumbers


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories: (n,) codes, -1 for none, the levels, and those of the known rows.

    Levels that history does not have come after those that it has.
    """

    codes: NDArray[np.int32]
    levels: list[str]
    history: KnownCategories


@dataclass(frozen=True)
class ComparedRows:
    """Rows of a clean table, n of them, and the baseline that they are compared with.

    Attributes:
        baseline: What is usual among the known rows.
        known: (n,) which rows are known.
        numbers, categories: The table's columns.
        texts: (n,) the text of every row.
    """

    baseline: Baseline
    known: Flags
    numbers: list[NumberColumn]
    categories: list[CategoryColumn]
    texts: pl.Series

    @classmethod
    def of(
        cls, clean: pl.DataFrame, known: Flags, baseline: Baseline | None = None
    ) -> ComparedRows:
        """Compare the rows of a clean table.

        Args:
            clean: The clean table of n rows.
            known: (n,) the rows of history, so that a new row is compared with what was known
                before it.
            baseline: What they are compared with; the known rows among them by default.
        """
        baseline = baseline or Baseline.fit(clean, known)
        numbers = [NumberColumn(_finite(clean[NUMBER + its.name]), its) for its in baseline.numbers]
        categories = [
            CategoryColumn(*_coded(clean[CATEGORY + its.name], its.levels), its)
            for its in baseline.categories
        ]
        return cls(baseline, known, numbers, categories, clean["text"])


def _finite(column: pl.Series) -> Floats:
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    # An infinite value would make every range that is reported infinite.
    return np.where(np.isfinite(values), values, np.nan)


def _coded(column: pl.Series, first: Sequence[str] = ()) -> tuple[NDArray[np.int32], list[str]]:
    """The codes of a column's levels, and these: some known ones first, then its own, ascending."""
    place = {level: code for code, level in enumerate(first)}
    for level in column.drop_nulls().unique().sort().to_list():
        place.setdefault(level, len(place))
    return np.array([place.get(value, -1) for value in column.to_list()], np.int32), list(place)
