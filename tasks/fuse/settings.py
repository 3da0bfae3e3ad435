"""What can be set of the fusion of texts, numbers and categories."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.core.settings import Settings


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
    categories: float = Field(default=1.0, ge=0)
    """The category columns, one feature per level; 0 leaves out their levels and rates as well."""
    dates: float = Field(default=0.5, ge=0)
    """Month, weekday and hour of the event in the table's time zone, as points on a circle."""
    levels: float = Field(default=0.25, ge=0)
    """The names of the levels of categories with many of them, so that similar names
    have similar features."""
    rates: float = Field(default=0.5, ge=0)
    """What the label is on average for each level of a category (target encoding); not for more
    than 10 classes."""


@storable
class FuseSettings(Settings):
    """How a row becomes blocks of features."""

    weights: Weights = Weights()
    """The weights of the blocks for clustering and anomaly detection."""
    scaling: Literal["quantile", "robust", "periodic"] = "quantile"
    """Numbers as normal scores of their ranks; as distances from the median in units of the
    interquartile range; or as sines and cosines of several periods."""
    rare_level: int = Field(default=10, ge=1)
    """Levels of a category seen in fewer rows than this are pooled; fewer in a small table."""
    max_levels: int = Field(default=100, ge=1, le=250)
    """The most levels of one category that get a feature; the less frequent ones are pooled."""
    many_levels: int = Field(default=40, ge=2)
    """A category of more levels than this is also read by the names of its levels."""
    max_terms: int = Field(default=20_000, ge=1)
    """The most words and word pairs, and the most character sequences, that get a feature."""
    reduce: Literal["none", "pca", "pls"] = "none"
    """Read the text vectors as they are, their main components, or the directions that go with
    the label (partial least squares; main components where there is no label)."""
    dimensions: Annotated[int, Field(ge=1)] = 64
    """How many components there are, where `reduce` is not none."""
