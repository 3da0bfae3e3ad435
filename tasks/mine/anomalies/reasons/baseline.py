"""What is usual in a clean table: the ranges, shares and words that a row is held against."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.stored import Stored
from fusemine.tasks.stats.sampling import evenly
from fusemine.tasks.table.roles import CATEGORY, NUMBER
from fusemine.tasks.text.words import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ = 100_000
"""Distinct texts whose words are counted; of more, an even sample."""


@dataclass(frozen=True)
class Tail:
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


def tail(value: float, ordered: NDArray[np.float64]) -> Tail:
    """Hold a number against others in ascending order, itself among them."""
    size = len(ordered)
    below = int(np.searchsorted(ordered, value, "left")) / size
    above = 1 - int(np.searchsorted(ordered, value, "right")) / size
    # At least the first and the last are left out, so that an outlier is not its own measure.
    cut = max(1, int(0.05 * size)) if size > 3 else 0
    low, top = float(ordered[cut]), float(ordered[-1 - cut])
    return Tail(max(below, above), below >= above, low, top, size)


@storable
@dataclass(frozen=True)
class KnownNumbers(Stored):
    """A column of numbers: (h,) the values of the known rows, NaN where there is none."""

    name: str
    values: NDArray[np.float64]

    @cached_property
    def ordered(self) -> NDArray[np.float64]:
        """The values, ascending."""
        return np.sort(self.values[~np.isnan(self.values)])


@storable
@dataclass(frozen=True)
class KnownCategories(Stored):
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

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))

    @cached_property
    def _ascending(self) -> NDArray[np.int64]:
        return np.sort(self._counts)

    @cached_property
    def _upto(self) -> NDArray[np.float64]:
        return np.append(0, np.cumsum(self._ascending)) / max(len(self.codes), 1)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return len(self.codes) - self.filled + np.append(0, np.cumsum(self._counts))

    def rows(self, code: int) -> NDArray[np.intp]:
        """The places of the known rows of a level."""
        return self._order[slice(*self._ends[code : code + 2])]

    def as_rare(self, count: int) -> float:
        """The share of the known rows whose value has at most so many of them.

        In a column of names nearly all values are rare, so a rare one is nothing unusual. Of the
        values that occur once it is also the chance of one that is not known yet (Good 1953).
        """
        return float(self._upto[np.searchsorted(self._ascending, count, "right")])


@storable
@dataclass(frozen=True)
class Past(Stored):
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
    word_rows: NDArray[np.int64]
    texts_read: int

    @classmethod
    def of(cls, clean: pl.DataFrame) -> Past:
        """Gather what is usual in the known rows of a clean table."""
        names = clean.columns
        numbers = [_numbers(clean[name]) for name in names if name.startswith(NUMBER)]
        categories = [_categories(clean[name]) for name in names if name.startswith(CATEGORY)]
        texts = clean.filter("has_text").group_by("text", maintain_order=True).len("rows")
        read = texts[evenly(texts.height, READ)]
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
    def _groups(self) -> dict[tuple[str, str, int], NDArray[np.float64]]:
        return {}

    @cached_property
    def _pairs(self) -> dict[tuple[str, str], NDArray[np.int64]]:
        return {}

    def among(self, column: KnownNumbers, other: KnownCategories, code: int) -> NDArray[np.float64]:
        """The numbers of the known rows that have one category, ascending."""
        key = column.name, other.name, code
        if key not in self._groups:
            values = column.values[other.rows(code)]
            self._groups[key] = np.sort(values[~np.isnan(values)])
        return self._groups[key]

    def together(self, column: KnownCategories, other: KnownCategories, code: int, its: int) -> int:
        """How many known rows have both categories."""
        key = column.name, other.name
        wide = len(other.levels)
        if its >= wide:
            return 0
        if key not in self._pairs:
            both = (column.codes >= 0) & (other.codes >= 0)
            self._pairs[key] = np.sort(
                column.codes[both].astype(np.int64) * wide + other.codes[both]
            )
        ends = np.searchsorted(self._pairs[key], code * wide + its + np.array([0, 1]))
        return int(ends[1] - ends[0])


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: (n,) values, NaN where there is none, and those that are known."""

    values: NDArray[np.float64]
    past: KnownNumbers


@dataclass(frozen=True)
class Categories:
    """A column of categories: (n,) codes, -1 for none, the levels, and the rows that are known.

    Levels that history does not have come after those that it has.
    """

    codes: NDArray[np.int64]
    levels: list[str]
    past: KnownCategories


@dataclass(frozen=True)
class Usual:
    """Rows of a clean table, n of them, and what is usual among the known ones.

    Attributes:
        past: What is usual among these.
        known: (n,) which rows are known.
        numbers, categories: The table's columns.
        texts: (n,) the text of every row.
    """

    past: Past
    known: NDArray[np.bool_]
    numbers: list[Numbers]
    categories: list[Categories]
    texts: pl.Series

    @classmethod
    def of(cls, past: Past, clean: pl.DataFrame, known: NDArray[np.bool_]) -> Usual:
        """Hold the rows of a clean table against what is known."""
        numbers = [Numbers(_finite(clean[NUMBER + its.name]), its) for its in past.numbers]
        categories = [_coded(clean[CATEGORY + its.name], its) for its in past.categories]
        return cls(past, known, numbers, categories, clean["text"])


def usual(clean: pl.DataFrame, known: NDArray[np.bool_] | None = None) -> Usual:
    """Gather what is usual in a clean table of n rows.

    Args:
        clean: The clean table.
        known: (n,) the rows that count, such as those of history, so that a new row is held
            against what was known before it; all rows where it is None.
    """
    known = np.ones(clean.height, bool) if known is None else known
    return Usual.of(Past.of(clean.filter(pl.Series(known, dtype=pl.Boolean))), clean, known)


def _numbers(column: pl.Series) -> KnownNumbers:
    return KnownNumbers(column.name.removeprefix(NUMBER), _finite(column))


def _finite(column: pl.Series) -> NDArray[np.float64]:
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    # An infinite value would make every range that is told infinite.
    return np.where(np.isfinite(values), values, np.nan)


def _categories(column: pl.Series) -> KnownCategories:
    levels = column.drop_nulls().unique().sort().to_list()
    place = {level: code for code, level in enumerate(levels)}
    codes = np.array([place.get(value, -1) for value in column.to_list()], np.int32)
    return KnownCategories(column.name.removeprefix(CATEGORY), codes, levels)


def _coded(column: pl.Series, past: KnownCategories) -> Categories:
    place = {level: code for code, level in enumerate(past.levels)}
    for level in column.drop_nulls().unique().sort().to_list():
        place.setdefault(level, len(place))
    codes = np.array([place.get(value, -1) for value in column.to_list()], np.int64)
    return Categories(codes, list(place), past)
