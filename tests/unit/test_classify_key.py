"""What the key of learning a label takes, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fusemine.tasks.core.window import WindowRules
from fusemine.tasks.core.windowed import WindowRefs
from fusemine.tasks.corrections.apply import Corrections
from fusemine.tasks.embed.ad_hoc import Embedder
from fusemine.tasks.embed.encoders.models import ModelFiles
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.mine.classify.task import classify_job


def key(
    chosen: dict[str, Any] | None = None,
    kind: Any = "class",
    corrections: Corrections | None = None,
    model: str | None = None,
    fusing: FuseSettings | None = None,
) -> str:
    """The key over an empty window."""
    files = None if model is None else ModelFiles(Path("/model"), model, "packed")
    embedder = None if files is None else Embedder(files, EmbedSettings(), "float32")
    window = WindowRefs((), (), WindowRules(None, "first"), corrections or Corrections(), embedder)
    settings = ClassifySettings.model_validate(chosen or {})
    job = classify_job(Path("/root"), "all", window, settings, fusing or FuseSettings(), kind)
    return job.recipe.key


@pytest.mark.parametrize(
    "changed",
    [
        {"chosen": {"strategy": "late"}},
        {"chosen": {"budget": 1}},
        {"chosen": {"decision": {"precision": 0.9}}},
        {"chosen": {"learner": "lightgbm"}},
        {"kind": "number"},
        {"corrections": Corrections({"r1": "positive"})},
        {"model": "another encoder"},
        {"fusing": FuseSettings(scaling="robust")},
    ],
)
def test_what_changes_the_result_changes_the_key(changed: dict[str, Any]) -> None:
    assert key(**changed) != key()


def test_the_device_does_not() -> None:
    assert key({"device": "cuda:1"}) == key()
