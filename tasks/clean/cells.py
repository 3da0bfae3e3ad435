"""A column of cells as cleaned text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.clean.text import clean_text
from fusemine.tasks.table.cells import as_text

if TYPE_CHECKING:
    from fusemine.tasks.clean.settings import CleanSettings


def clean_cells(values: pl.Series, settings: CleanSettings) -> pl.Series:
    """Cells as cleaned text, cut at the settings' length; those that mean nothing become null."""
    texts = as_text(values)
    distinct = texts.drop_nulls().unique(maintain_order=True)
    cut = settings.max_characters
    cleaned = [clean_text(value[:cut]) for value in distinct]
    nothing = {"", *settings.null_values}
    mapped = [None if value in nothing else value for value in cleaned]
    return texts.replace_strict(
        distinct, pl.Series(mapped, dtype=pl.String), default=None, return_dtype=pl.String
    )
