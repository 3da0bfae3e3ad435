"""Fitting a model on a window: the label as it was chosen to be learnt, and what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.fuse.features import DENSE
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.anomalies.detectors import fit_detectors
from fusemine.tasks.serving.scorer import Scorer, table_of
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.fuse.transformers import BlockName
    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.classify.classifier import Classifier

MOST_LEVELS, OFTEN = 10_000, 0.2
"""Of more levels, or where more than this share of the values came once, unseen ones are usual."""


def fit_scorer(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    classifier: Classifier | None,
    settings: AnomaliesSettings,
    fusing: FuseSettings,
    new: NDArray[np.bool_] | None,
    timezone: str,
) -> Scorer:
    """Fit what judges how unusual rows are, and put it beside a classifier.

    Args:
        clean: The clean table of the window, n rows, oldest partition first.
        vectors: Their texts' unit vectors (n, d).
        classifier: What foretells the label, if anything.
        settings: How many rows are flagged.
        fusing: How rows become features.
        new: The rows (n,) of the newest partition, which are held against the others; None if all
            are held against all.
        timezone: The zone of hours and weekdays.
    """
    rows = Rows(clean, vectors)
    blocks = table_blocks(rows, fusing)
    names = [feature for block in blocks for feature in block.features]
    table = table_of(blocks, rows)
    detectors = fit_detectors(clean, vectors, table, names, settings, new)
    return Scorer(classifier, blocks, detectors, levels_of(clean), timezone)


def table_blocks(rows: Rows, settings: FuseSettings) -> tuple[Block, ...]:
    """The blocks of numbers and categories, fitted as those of the stage `fuse` are."""
    weights: dict[BlockName, float] = {
        name: getattr(settings.weights, name) for name in DENSE if name != "text"
    }
    return tuple(block for block, _ in fit_blocks(rows, weights, settings))


def levels_of(clean: pl.DataFrame) -> dict[str, list[str]]:
    """The levels of each category that new rows can be held against, sorted.

    Not of one that was empty, has more than `MOST_LEVELS`, or of which new values are often unseen
    ones: that is to be expected of as many as the share of the values that came once (Good 1953).
    """
    found = {}
    for name in (name for name in clean.columns if name.startswith(CATEGORY)):
        counts = clean[name].drop_nulls().value_counts(name="rows")
        once = int((counts["rows"] == 1).sum())
        if 0 < counts.height <= MOST_LEVELS and once <= OFTEN * int(counts["rows"].sum()):
            found[name.removeprefix(CATEGORY)] = counts[name].sort().to_list()
    return found
