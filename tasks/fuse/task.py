"""Fusing as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job
from fusemine.tasks.core.contract import FEATURES, REJECTED
from fusemine.tasks.core.key import Stage, recipe
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.core.window import read_window, window_inputs
from fusemine.tasks.fuse.features import fit_features
from fusemine.tasks.fuse.stored import features_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.core.window import WindowRules
    from fusemine.tasks.fuse.settings import FuseSettings

STAGE = Stage(
    "fuse",
    ("fusemine.tasks.fuse.features", "fusemine.tasks.fuse.stored", "fusemine.tasks.core.window"),
    ("numpy", "polars", "pyarrow", "scikit-learn"),
)


def fuse_job(
    root: Path,
    partition: str,
    cleaned: Sequence[ArtifactRef],
    embedded: Sequence[ArtifactRef],
    rules: WindowRules,
    settings: FuseSettings,
) -> Job:
    """The job of fusing the window of one partition."""
    made_of = recipe(
        STAGE, window_inputs(cleaned, embedded, rules), settings.model_dump(mode="json")
    )
    names = tuple(ref.name for ref in [*cleaned, *embedded])
    return Job(root, STAGE.name, partition, made_of, names)


@stage_task("fuse", "fuse-{job.partition}")
def fuse(
    job: Job,
    cleaned: Sequence[ArtifactRef],
    embedded: Sequence[ArtifactRef],
    rules: WindowRules,
    settings: FuseSettings,
) -> ArtifactRef:
    """Fit the dense blocks on the rows of a window, without labels."""

    def work(draft: Draft) -> None:
        window = read_window(cleaned, embedded, rules)
        features = fit_features(window.clean, window.matrix, settings)
        draft.table(MAIN, features_table(window.clean["row_id"].to_list(), features), FEATURES)
        draft.table("rejected", window.rejected, REJECTED)
        kept, rejected = window.clean.height, window.rejected.height
        draft.count(kept + rejected, kept, rejected)

    return execute(job, work)
