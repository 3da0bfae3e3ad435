"""Learning the label over a window, as a stage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.pack.pack import pack
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.corrections.apply import correct_labels
from fusemine.tasks.embed.ad_hoc import embedder
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.classify.classify import classify
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.mine.classify.settings import ClassifySettings

CHOICE = "choice"
"""The name of the files that hold the chosen model."""


def run(inputs: Inputs, settings: ClassifySettings, progress: Progress) -> Output:
    """Learn the label, test it on rows held out, and predict every row."""
    rows, corrections = inputs.window().rows(), inputs.resource("corrections")
    corrected = correct_labels(rows.clean, corrections)
    unknown = corrected.counts["unknown"] + corrections.unknown
    if unknown:  # their ids stay out of the log
        what = "corrected label(s) in columns.label.corrections name no usable row"
        inputs.log(logging.WARNING, f"{unknown} {what}")
    found = classify(
        corrected.rows,
        rows.matrix,
        settings,
        inputs.section(FuseSettings),
        progress=progress,
        timezone=inputs.rules.timezone,
        number=inputs.section(Columns).label_kind == "number",
        encode=embedder(inputs.resource("encoder"), inputs.section(EmbedSettings)),
    )
    return Output(
        tables={MAIN: found.predictions, "doubts": found.label_errors},
        rows_in=rows.clean.height,
        rows_kept=found.predictions.height,
        summary={**found.summary, "corrections": corrected.counts},
        files={f"{CHOICE}.{kind}": content for kind, content in pack(found.choice).items()},
    )
