"""What the miners have in common: the window that they read, and how they tell of their work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core import progress
from fusemine.tasks.core.artifact import Job
from fusemine.tasks.core.key import digest, recipe
from fusemine.tasks.core.window import window_inputs
from fusemine.tasks.mine.classify.corrections.apply import Corrections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fusemine.tasks.core.artifact import ArtifactRef, Draft
    from fusemine.tasks.core.key import Stage
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.window import WindowRules
    from fusemine.tasks.embed.ad_hoc import Embedder

SUMMARY = "summary.json"
MODULES = ("fusemine.tasks.core.window", "fusemine.tasks.core.windowed")
LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy")
"""What every miner over a window is made with."""


@dataclass(frozen=True)
class WindowRefs:
    """The artifacts that a window is read from, what bounds it, and what goes with it.

    Args:
        cleaned: Its cleaned partitions.
        embedded: Their vectors.
        rules: What bounds it.
        corrections: Corrected labels.
        embedder: Embeds texts with words left out, to explain rows.
    """

    cleaned: tuple[ArtifactRef, ...]
    embedded: tuple[ArtifactRef, ...]
    rules: WindowRules
    corrections: Corrections = field(default_factory=Corrections)
    embedder: Embedder | None = None

    @property
    def corrections_hash(self) -> str:
        """What the key of a stage that reads labels takes; manifests hold no row id or label."""
        return digest(self.corrections.content())


def mine_job(
    root: Path,
    stage: Stage,
    partition: str,
    window: WindowRefs,
    settings: Sequence[Settings],
    features: ArtifactRef | None = None,
) -> Job:
    """The job of one miner over the window of one partition.

    Args:
        root: Folder of the pipeline's artifacts.
        stage: The miner.
        partition: Last partition of the window.
        window: What the window is read from.
        settings: All settings that change the miner's result.
        features: The fused features, for a miner that reads them.
    """
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    refs = [*window.cleaned, *window.embedded]
    if features is not None:
        inputs, refs = (*inputs, features.sha256), [*refs, features]
    values = {str(i): part.model_dump(mode="json") for i, part in enumerate(settings)}
    made_of = recipe(stage, inputs, values)
    return Job(root, stage.name, partition, made_of, tuple(ref.name for ref in refs))


def teller(what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress.report(what, done, total)


def finish(draft: Draft, rows: int, kept: int, summary: dict[str, Any]) -> None:
    draft.json(SUMMARY, summary)
    draft.count(rows, kept, rows - kept)
