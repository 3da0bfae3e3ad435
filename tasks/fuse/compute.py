"""Fitting the dense blocks on the rows of a window, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.fuse.features import features_table, fit_features

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.fuse.settings import FuseSettings


def run(inputs: Inputs, settings: FuseSettings, _: Progress) -> Output:
    """Fit the blocks, without labels, and note the rows that the window leaves out."""
    window = inputs.window()
    clean = window.frame(["row_id", "category.*", "number.*"])
    blocks = fit_features(clean, window.vectors(), settings)
    rejected = window.rejected()
    return Output(
        tables={MAIN: features_table(clean["row_id"].to_list(), blocks), "rejected": rejected},
        rows_in=clean.height + rejected.height,
        rows_kept=clean.height,
    )
