"""Fusing as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts import MAIN, ArtifactRef, Draft, Job
from tasks.contracts import FEATURES, REJECTED
from tasks.fuse.features import fit_features
from tasks.fuse.stored import features_table
from tasks.keys import Stage, recipe
from tasks.task import execute, stage_task
from tasks.window import read_window, window_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.fuse.settings import FuseSettings
    from tasks.window import WindowRules

STAGE = Stage(
    "fuse",
    ("tasks.fuse.features", "tasks.fuse.stored", "tasks.window"),
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
