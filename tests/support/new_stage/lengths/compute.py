"""Measuring texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.mine.lengths.settings import LengthsSettings


def run(inputs: Inputs, settings: LengthsSettings, _: Progress) -> Output:
    """Count the characters of each text, and keep the longest texts."""
    rows = inputs.scan("clean", ["row_id", "text"]).collect()
    measured = rows.with_columns(characters=pl.col("text").str.len_chars().cast(pl.Int64))
    longest = measured.sort("characters", "row_id", descending=[True, False])
    return Output(
        tables={
            MAIN: measured.select("row_id", "characters"),
            "longest": longest.head(settings.longest).select("row_id", "text"),
        },
        rows_in=rows.height,
        rows_kept=rows.height,
        summary={"longest": measured["characters"].max() or 0},
    )
