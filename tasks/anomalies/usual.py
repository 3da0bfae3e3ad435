"""What is usual in a clean table: the ranges, shares and words that a row is held against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.contracts import CATEGORY, NUMBER
from tasks.sampling import evenly
from tasks.texts.words import words

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


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: (n,) values, NaN where there is none, and which rows are known."""

    name: str
    values: NDArray[np.float64]
    known: NDArray[np.bool_]

    @cached_property
    def ordered(self) -> NDArray[np.float64]:
        """The values of the known rows, ascending."""
        return np.sort(self.values[self.known & ~np.isnan(self.values)])


@dataclass(frozen=True)
class Categories:
    """A column of categories: (n,) codes into `values`, -1 for none, and which rows are known."""

    name: str
    codes: NDArray[np.int64]
    values: list[str]
    known: NDArray[np.bool_]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """The known rows of each value."""
        return np.bincount(self.codes[self.known & (self.codes >= 0)], minlength=len(self.values))

    @cached_property
    def _ascending(self) -> NDArray[np.int64]:
        return np.sort(self.counts)

    @cached_property
    def _upto(self) -> NDArray[np.float64]:
        return np.append(0, np.cumsum(self._ascending)) / max(int(self.known.sum()), 1)

    def as_rare(self, count: int) -> float:
        """The share of the known rows whose value has at most so many of them.

        In a column of names nearly all values are rare, so a rare one is nothing unusual. Of the
        values that occur once it is also the chance of one that is not known yet (Good 1953).
        """
        return float(self._upto[np.searchsorted(self._ascending, count, "right")])


@dataclass(frozen=True)
class Usual:
    """What is usual among the known rows of a clean table of n rows.

    Attributes:
        rows: How many rows are known.
        known: (n,) which they are.
        numbers, categories: The table's columns.
        texts: (n,) the text of every row.
        word_rows: How many of the texts read have each word, all of them known.
        texts_read: How many texts were read.
    """

    rows: int
    known: NDArray[np.bool_]
    numbers: list[Numbers]
    categories: list[Categories]
    texts: pl.Series
    word_rows: Counter[str]
    texts_read: int
    _groups: dict[tuple[str, str, int], NDArray[np.float64]] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], NDArray[np.int64]] = field(default_factory=dict)

    def among(self, column: Numbers, other: Categories, code: int) -> NDArray[np.float64]:
        """The numbers of the known rows that have one category, ascending."""
        key = column.name, other.name, code
        if key not in self._groups:
            values = column.values[self.known & (other.codes == code)]
            self._groups[key] = np.sort(values[~np.isnan(values)])
        return self._groups[key]

    def together(self, column: Categories, other: Categories, code: int, its: int) -> int:
        """How many known rows have both categories."""
        key = column.name, other.name
        wide = len(other.values)
        if key not in self._pairs:
            both = self.known & (column.codes >= 0) & (other.codes >= 0)
            joint = column.codes[both] * wide + other.codes[both]
            self._pairs[key] = np.sort(joint)
        ends = np.searchsorted(self._pairs[key], code * wide + its + np.array([0, 1]))
        return int(ends[1] - ends[0])


def usual(clean: pl.DataFrame, known: NDArray[np.bool_] | None = None) -> Usual:
    """Gather what is usual in a clean table of n rows.

    Args:
        clean: The clean table.
        known: (n,) the rows that count, such as those of history, so that a new row is held
            against what was known before it; all rows where it is None.
    """
    known = np.ones(clean.height, bool) if known is None else known
    names = clean.columns
    numbers = [_numbers(clean[name], known) for name in names if name.startswith(NUMBER)]
    categories = [_categories(clean[name], known) for name in names if name.startswith(CATEGORY)]
    told = clean.select("text", "has_text").filter(pl.Series(known)).filter("has_text")
    texts = told.group_by("text", maintain_order=True).len("rows")
    counts: Counter[str] = Counter()
    read = texts[evenly(texts.height, READ)]
    for text, rows in read.select("text", "rows").iter_rows():
        for word in set(words(text)):
            counts[word] += rows
    rows_read = int(read["rows"].sum())
    return Usual(int(known.sum()), known, numbers, categories, clean["text"], counts, rows_read)


def _numbers(column: pl.Series, known: NDArray[np.bool_]) -> Numbers:
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    # An infinite value would make every range that is told infinite.
    finite = np.where(np.isfinite(values), values, np.nan)
    return Numbers(column.name.removeprefix(NUMBER), finite, known)


def _categories(column: pl.Series, known: NDArray[np.bool_]) -> Categories:
    values = column.drop_nulls().unique().sort().to_list()
    place = {value: code for code, value in enumerate(values)}
    codes = np.array([place.get(value, -1) for value in column.to_list()], np.int64)
    return Categories(column.name.removeprefix(CATEGORY), codes, values, known)
