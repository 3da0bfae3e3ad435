"""The problem to learn: the label, the rows to learn it from, and the rows to test it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.splits import Split, split_rows
from fusemine.tasks.stats.target import Target
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.settings import ClassifySettings
    from fusemine.tasks.stats.target import Floats

MIN_ROWS, LARGEST = 20, 1e100
"""Labelled rows that are needed, and the largest number, whose square does not overflow."""
TABLE: tuple[BlockName, ...] = ("numbers", "categories", "dates", "levels", "rates")
VIEWS: dict[str, tuple[BlockName, ...]] = {
    "table": TABLE,
    "sparse": ("terms",),
    "dense": ("text",),
    "text": ("terms", "text"),
    "both": ("terms", "text", *TABLE),
}
"""What the label can be learnt from, and the blocks of it; sparse and dense are texts as terms
and as vectors."""


@dataclass(frozen=True)
class Problem:
    """A label that can be learnt."""

    rows: Rows
    names: list[str]
    """The classes in alphabetical order; none of numbers."""
    target: Target
    """The label of all rows; -1 or NaN where there is none."""
    positive: int | None
    """The class that a binary label is about."""
    split: Split
    views: dict[str, tuple[BlockName, ...]]
    """The views that have something to learn from, the one with most of it last."""
    class_weights: Floats | None
    """How much a row of each class counts (classes,)."""

    @property
    def main(self) -> str:
        """The view that predictions come from: both, or the only one there is."""
        return list(self.views)[-1]

    @property
    def blocks(self) -> tuple[BlockName, ...]:
        """The blocks of that view."""
        return self.views[self.main]

    @property
    def codes(self) -> NDArray[np.int64]:
        """Class of each row (n,) as its place in `names`, -1 without label."""
        return np.asarray(self.target.values)

    @property
    def train(self) -> Target:
        """The label of the training rows."""
        return self.target.take(self.split.train)

    @property
    def test_rows(self) -> Rows:
        """The test rows."""
        return self.rows.take(self.split.test)

    def sample_weights(self, index: NDArray[np.intp]) -> Floats | None:
        """How much each of these rows counts while learning (m,), or None for all alike."""
        weights = self.class_weights
        return None if weights is None else weights[self.target.values[index]]


def make_problem(rows: Rows, settings: ClassifySettings, number: bool) -> Problem | str:
    """The problem of learning the label of these rows, or the reason why it cannot be learnt.

    Args:
        rows: The rows, with and without label.
        settings: How the label is learnt.
        number: Whether the label is a number and not a class.
    """
    split = split_rows(rows.clean, settings, rows.timezone)
    views = _views(rows, settings)
    labels = rows.clean["label"]
    reason = _why_not(labels, split, settings, number)
    if reason or not views:
        return reason or "there is neither a text nor a category or number to learn from"
    if number:
        values = labels.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return Problem(rows, [], Target(values, 0), None, split, views, None)
    names = sorted(labels.drop_nulls().unique())
    codes = labels.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64)
    target = Target(codes.to_numpy(), len(names))
    weights = _class_weights(target.take(split.train), names, settings)
    positive = _positive(labels.gather(split.train), names)
    return Problem(rows, names, target, positive, split, views, weights)


def _why_not(labels: pl.Series, split: Split, settings: ClassifySettings, number: bool) -> str:
    known = labels.drop_nulls()
    rows, values = len(known), known.n_unique()
    if rows == 0:
        return "no row has a label"
    if rows < MIN_ROWS:
        return f"only {rows} rows have a label, and at least {MIN_ROWS} are needed"
    if values == 1:
        what = "have the same number" if number else "are of one class"
        return f"all {rows} labelled rows {what}, '{quote(known[0])}'"
    if not len(split.train) or not len(split.test):
        side = "learn from" if len(split.test) else "judge with"
        return f"the split leaves no labelled row to {side}"
    if number:
        far = float(np.abs(known.cast(pl.Float64).to_numpy()).max())
        return f"the label goes up to {far:g}, which is too large to judge" if far > LARGEST else ""
    if values > settings.max_classes:
        return (
            f"the label has {values} classes, {rows / values:.1f} rows each, and max_classes "
            f"allows {settings.max_classes}; a number that is to be predicted needs "
            "columns.label.kind number, and an id cannot be learnt"
        )
    seen = labels.gather(split.train).value_counts(name="rows")
    if seen.filter(pl.col("rows") > 1).height < 2:
        return "the training rows do not hold two rows of each of two classes"
    return ""


def _class_weights(train: Target, names: list[str], settings: ClassifySettings) -> Floats | None:
    if settings.class_weights == "none":
        return None
    if settings.class_weights == "balanced":
        seen = np.maximum(np.bincount(train.values, minlength=len(names)), 1)
        return np.asarray(len(train) / (len(names) * seen))
    return np.array([settings.class_weights.get(name, 1.0) for name in names])


def _positive(labels: pl.Series, names: list[str]) -> int | None:
    """Of two classes the one that is called so, otherwise the rarer one."""
    if len(names) != 2:
        return None
    if "positive" in names:
        return names.index("positive")
    return min((1, 0), key=lambda k: int((labels == names[k]).sum()))


def _views(rows: Rows, settings: ClassifySettings) -> dict[str, tuple[BlockName, ...]]:
    texts, weights = any(text.strip() for text in rows.texts), settings.weights
    categories, numbers = bool(rows.columns(CATEGORY)), bool(rows.columns(NUMBER))
    # Dates alone are no table: they only join what there is.
    table = (categories or numbers) and weights.categories + weights.numbers > 0
    times = rows.clean["event_time"] if "event_time" in rows.clean.columns else pl.Series()
    # Without weight for categories their other forms are left out as well.
    categories = categories and weights.categories > 0
    usable: dict[BlockName, bool] = {
        "terms": texts,
        "text": texts,
        "numbers": numbers,
        "categories": categories,
        "dates": table and times.n_unique() > 1,
        "levels": categories,
        "rates": categories,
    }
    found = {
        view: tuple(name for name in names if usable[name] and getattr(weights, name))
        for view, names in VIEWS.items()
    }
    views = {view: names for view, names in found.items() if names}
    if "table" not in views or "text" not in views:
        views.pop("both", None)
    return views
