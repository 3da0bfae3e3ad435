"""Which rows a table itself marks to teach and to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

TRAIN, TEST = "train", "test"
_WORDS = {
    **dict.fromkeys(("train", "training", "learn", "learning"), TRAIN),
    **dict.fromkeys(("test", "testing", "holdout", "heldout", "validation", "valid", "val"), TEST),
}


def read_splits(cells: pl.Series) -> pl.Series:
    """`train` or `test` for the words that mean them, in upper or lower case.

    For `train` these are train, training, learn and learning; for `test` they are test, testing,
    holdout, held out, validation, valid and val; spaces, hyphens and underscores do not count.
    Any other word stays as it came, so that whoever reads it can say what came; such a row, and
    one with an empty cell, neither teaches nor judges.

    Args:
        cells: Cleaned text, or null.
    """
    words = cells.str.to_lowercase().str.replace_all(r"[\s_-]", "")
    return words.replace_strict(_WORDS, default=cells)
