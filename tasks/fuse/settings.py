"""What can be set of the fusion of texts, numbers and categories."""

from __future__ import annotations

from pydantic import Field

from tasks.settings import Settings


class Weights(Settings):
    """How much each block counts, after all of them were scaled to the same spread.

    A weight of 0 leaves a block out.
    """

    text: float = Field(default=1.0, ge=0)
    """The vectors of the texts."""
    numbers: float = Field(default=1.0, ge=0)
    """The number columns, as normal scores, and which of them are missing."""
    categories: float = Field(default=1.0, ge=0)
    """The category columns, one feature per level."""


class LearningWeights(Weights):
    """The weights of the blocks for a classifier, which trusts a block of less weight less."""

    text: float = Field(default=0.5, ge=0)
    """The vectors of the texts."""
    terms: float = Field(default=2.0, ge=0)
    """The words and character sequences of the texts."""


class FuseSettings(Settings):
    """How a row becomes blocks of features."""

    weights: Weights = Weights()
    """The weights of the blocks for clustering and anomaly detection."""
    rare_level: int = Field(default=10, ge=1)
    """Levels of a category seen in fewer rows than this are pooled; fewer in a small table."""
    max_levels: int = Field(default=100, ge=1, le=250)
    """The most levels of one category that get a feature; the less frequent ones are pooled."""
    max_terms: int = Field(default=20_000, ge=1)
    """The most words and word pairs, and the most character sequences, that get a feature."""
