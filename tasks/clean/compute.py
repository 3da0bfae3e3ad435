"""Cleaning one partition, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.clean.clean import clean
from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.core.inputs import Inputs, Progress


def run(inputs: Inputs, settings: CleanSettings, _: Progress) -> Output:
    """Clean the rows of one partition."""
    raw = inputs.frame("collect")
    timezone = inputs.section(PartitionSettings).timezone
    found = clean(raw, inputs.section(Columns), settings, timezone)
    return Output(
        tables={MAIN: found.rows, "rejected": found.rejected},
        rows_in=raw.height,
        rows_kept=found.rows.height,
        summary={
            "distinct_texts": found.rows.filter("has_text").get_column("text").n_unique(),
            "unreadable_numbers": found.unreadable,
        },
    )
