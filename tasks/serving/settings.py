"""The settings of the models in use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fusemine.tasks.core.settings import Settings


class RetrainRule(Settings):
    """When the model in use is due for retraining; any of these makes it due."""

    every: Annotated[int, Field(ge=1)] | None = 1
    """Partitions since the one that it was trained for, not counting those without any label yet;
    null for never."""
    worse: Annotated[float, Field(ge=0)] | None = None
    """The share by which its loss on rows since then exceeds that on its test rows, such as 0.1;
    the whole 95 % interval must be above it."""
    miscalibrated: Annotated[float, Field(gt=0)] | None = None
    """How far its predictions are off on average, in probability (or in the label's unit), such as
    0.05; the whole 95 % interval must be beyond it."""


class ModelSettings(Settings):
    """Which of the trained models is used, and when there should be a new one."""

    not_shown = frozenset({"keep", "margin", "retrain"})

    promote: Literal["auto", "hand"] = "auto"
    """`auto`: a new model is used from then on if it is not worse than the one before; `hand`: it
    is compared, and a person decides."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.02
    """The share of the loss by which a new model may be worse and still counts as not worse."""
    retrain: RetrainRule = RetrainRule()
    """When the model in use is due for retraining."""
    keep: Annotated[int, Field(ge=1)] = 5
    """How many of the newest models, and of the last ones in use, pruning keeps."""
