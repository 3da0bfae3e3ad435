"""What is to be learnt: the classes, the rows that teach them and those that judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tasks.contracts import CATEGORY, NUMBER
from tasks.mine.folds import Split, split_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.fuse.parts import BlockName, Rows
    from tasks.mine.settings import ClassifySettings

LEAST_ROWS = 20
VIEWS: dict[str, tuple[BlockName, ...]] = {
    "table": ("numbers", "categories"),
    "text": ("terms", "text"),
    "both": ("terms", "text", "numbers", "categories"),
}
"""What the label can be learnt from, and the blocks of it."""


@dataclass(frozen=True)
class Problem:
    """A label that can be learnt."""

    rows: Rows
    names: list[str]
    """The classes in alphabetical order."""
    codes: NDArray[np.int64]
    """Class of each row as its place in `names`, -1 without label."""
    positive: int | None
    """The class that a binary label is about."""
    split: Split
    views: dict[str, tuple[BlockName, ...]]
    """The views that have something to learn from, the one with most of it last."""

    @property
    def main(self) -> str:
        """The view that predictions come from: both, or the only one there is."""
        return list(self.views)[-1]


def pose(rows: Rows, settings: ClassifySettings, timezone: str) -> Problem | str:
    """The problem of learning the label of these rows, or the reason why it cannot be learnt."""
    split = split_rows(rows.clean, settings, timezone)
    views = _views(rows, settings)
    reason = _why_not(rows.clean["label"], split, settings)
    if reason or not views:
        return reason or "there is neither a text nor a category or number to learn from"
    labels = rows.clean["label"]
    names = sorted(labels.drop_nulls().unique())
    codes = labels.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64)
    return Problem(rows, names, codes.to_numpy(), _positive(labels, names), split, views)


def _why_not(labels: pl.Series, split: Split, settings: ClassifySettings) -> str:
    known = labels.drop_nulls()
    rows, classes = len(known), known.n_unique()
    if rows == 0:
        return "no row has a label"
    if rows < LEAST_ROWS:
        return f"only {rows} rows have a label, and at least {LEAST_ROWS} are needed"
    if classes == 1:
        return f"all {rows} labelled rows are of one class, {known[0]!r}"
    if classes > settings.max_classes:
        return f"the label has {classes} classes, and max_classes allows {settings.max_classes}"
    learnt = labels.gather(split.train).value_counts(name="rows")
    if learnt.filter(pl.col("rows") > 1).height < 2:
        return "the training rows do not hold two rows of each of two classes"
    return ""


def _positive(labels: pl.Series, names: list[str]) -> int | None:
    """Of two classes the one that is called so, otherwise the rarer one."""
    if len(names) != 2:
        return None
    if "positive" in names:
        return names.index("positive")
    return min((1, 0), key=lambda k: int((labels == names[k]).sum()))


def _views(rows: Rows, settings: ClassifySettings) -> dict[str, tuple[BlockName, ...]]:
    texts = any(text.strip() for text in rows.texts)
    there: dict[BlockName, bool] = {
        "terms": texts,
        "text": texts,
        "numbers": bool(rows.columns(NUMBER)),
        "categories": bool(rows.columns(CATEGORY)),
    }
    usable = {name for name, found in there.items() if found and getattr(settings.weights, name)}
    blocks = {view: tuple(n for n in names if n in usable) for view, names in VIEWS.items()}
    singles = {view: blocks[view] for view in ("table", "text") if blocks[view]}
    return {**singles, "both": blocks["both"]} if len(singles) == 2 else singles
