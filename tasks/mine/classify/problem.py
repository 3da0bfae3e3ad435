"""What is to be learnt: the label, the rows that teach it and those that judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.selection.candidates import TABLE
from fusemine.tasks.mine.classify.splits import Split, split_rows
from fusemine.tasks.stats.target import Target
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.settings import ClassifySettings

LEAST_ROWS, LARGEST = 20, 1e100
"""Labelled rows that are needed, and the largest number whose square can be told."""
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
    weights: Floats | None
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
        """Class of each row as its place in `names`, -1 without label."""
        return np.asarray(self.target.values)

    @property
    def train(self) -> Target:
        """The label of the training rows."""
        return self.target.take(self.split.train)

    def counts(self, index: NDArray[np.intp]) -> Floats | None:
        """How much each of these rows counts while learning, or None for all alike."""
        return None if self.weights is None else self.weights[self.target.values[index]]


def pose(rows: Rows, settings: ClassifySettings, timezone: str, number: bool) -> Problem | str:
    """The problem of learning the label of these rows, or the reason why it cannot be learnt."""
    split = split_rows(rows.clean, settings, timezone)
    views = _views(rows, settings)
    reason = _why_not(rows.clean["label"], split, settings, number)
    if reason or not views:
        return reason or "there is neither a text nor a category or number to learn from"
    labels = rows.clean["label"]
    if number:
        values = labels.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return Problem(rows, [], Target(values, 0), None, split, views, None)
    names = sorted(labels.drop_nulls().unique())
    codes = labels.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64)
    target = Target(codes.to_numpy(), len(names))
    weights = _weights(target.take(split.train), names, settings)
    positive = _positive(labels.gather(split.train), names)
    return Problem(rows, names, target, positive, split, views, weights)


def _why_not(labels: pl.Series, split: Split, settings: ClassifySettings, number: bool) -> str:
    known = labels.drop_nulls()
    rows, values = len(known), known.n_unique()
    if rows == 0:
        return "no row has a label"
    if rows < LEAST_ROWS:
        return f"only {rows} rows have a label, and at least {LEAST_ROWS} are needed"
    if values == 1:
        what = "have the same number" if number else "are of one class"
        return f"all {rows} labelled rows {what}, '{quote(known[0])}'"
    if not len(split.train) or not len(split.test):
        side = "learn from" if len(split.test) else "judge with"
        return f"the split leaves no labelled row to {side}"
    if number:
        far = float(np.abs(known.cast(pl.Float64).to_numpy()).max())
        return f"the label goes up to {far:g}, which is too large to judge" if far > LARGEST else ""
    return _why_no_classes(labels, split, settings, rows)


def _why_no_classes(labels: pl.Series, split: Split, settings: ClassifySettings, rows: int) -> str:
    classes = labels.drop_nulls().n_unique()
    if classes > settings.max_classes:
        each = rows / classes
        return (
            f"the label has {classes} classes, {each:.1f} rows each, and max_classes allows "
            f"{settings.max_classes}; a number that is to be foretold needs columns.label.kind "
            "number, and an id cannot be learnt"
        )
    learnt = labels.gather(split.train).value_counts(name="rows")
    if learnt.filter(pl.col("rows") > 1).height < 2:
        return "the training rows do not hold two rows of each of two classes"
    return ""


def _weights(train: Target, names: list[str], settings: ClassifySettings) -> Floats | None:
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
    texts = any(text.strip() for text in rows.texts)
    categories, numbers = bool(rows.columns(CATEGORY)), bool(rows.columns(NUMBER))
    dated = "event_time" in rows.clean.columns and rows.clean["event_time"].n_unique() > 1
    there: dict[BlockName, bool] = {
        "terms": texts,
        "text": texts,
        "numbers": numbers,
        "categories": categories,
        # Dates alone are no table: they only join what there is.
        "dates": dated and (categories or numbers),
        "levels": categories,
        "rates": categories,
    }
    weights = settings.weights
    # Without weight for categories their other forms are left out as well.
    forms: dict[BlockName, float] = {
        "levels": weights.categories, "rates": weights.categories,
        "dates": weights.categories + weights.numbers,
    }  # fmt: skip
    usable = {
        name
        for name, found in there.items()
        if found and getattr(weights, name) and forms.get(name, 1.0)
    }
    blocks = {view: tuple(n for n in names if n in usable) for view, names in VIEWS.items()}
    found = {view: names for view, names in blocks.items() if names}
    if "table" not in found or "text" not in found:
        found.pop("both", None)
    return found
