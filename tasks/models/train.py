"""Fitting a model on a window: the label as it was chosen to be learnt, and what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.anomalies.detectors import fit_detectors
from tasks.contracts import CATEGORY
from tasks.fuse.blocks import fit_blocks
from tasks.fuse.features import DENSE
from tasks.fuse.parts import Rows
from tasks.models.scorer import Scorer, table_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from tasks.anomalies.settings import AnomalySettings
    from tasks.fuse.blocks import Block
    from tasks.fuse.parts import BlockName
    from tasks.fuse.settings import FuseSettings
    from tasks.learn.classifier import Classifier

MOST_LEVELS = 10_000
"""A category of more levels is not held against those that it had."""


def fit_scorer(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    classifier: Classifier | None,
    settings: AnomalySettings,
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
    """The levels of each category, sorted; none of one that has more than `MOST_LEVELS`."""
    named = [name for name in clean.columns if name.startswith(CATEGORY)]
    found = {name: clean[name].drop_nulls().unique().sort() for name in named}
    return {
        name.removeprefix(CATEGORY): levels.to_list()
        for name, levels in found.items()
        if len(levels) <= MOST_LEVELS
    }
