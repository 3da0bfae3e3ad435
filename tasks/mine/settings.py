"""What can be set of the miners."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tasks.fuse.settings import LearningWeights
from tasks.settings import Settings


def _first_day(value: object) -> object:
    """The first day of a year or month; whatever else comes is left to pydantic."""
    parts = str(value).split("-")
    if isinstance(value, bool) or not all(part.isdecimal() for part in parts) or len(parts) > 2:
        return value
    return "-".join([parts[0].zfill(4), *(part.zfill(2) for part in parts[1:]), "01", "01"][:3])


_DAY_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
Day = Annotated[date | None, BeforeValidator(_first_day), WithJsonSchema(_DAY_SCHEMA)]
"""A day, or the first one of a month or year: 1996, "1996-01", "1996-01-31"."""


class ClassifySettings(Settings):
    """How the label is learnt and judged."""

    learner: Literal["ensemble", "logistic", "boosted"] = "ensemble"
    """Logistic regression, boosted trees, or the average of their probabilities."""
    test_from: Day = None
    """Rows from this day, month or year on (1996-01-31, 1996-01, 1996; in UTC) are held back and
    judge the model; without it, or where it leaves none, the newest `test_share` of the rows."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The share of the labelled rows that is held back where `test_from` does not decide."""
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    """Training rows are predicted in so many parts, each by a model that has not seen it."""
    weights: LearningWeights = LearningWeights()
    """How much each block counts in logistic regression."""
    max_classes: Annotated[int, Field(ge=2)] = 50
    """A label of more classes is not learnt, because time and memory grow with them."""
    resamples: Annotated[int, Field(ge=20, le=10_000)] = 500
    """How often the test rows are drawn anew for the 95 % intervals of the metrics."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Where the random numbers start."""


class ClusterSettings(Settings):
    """How texts are grouped into topics."""

    topics: Annotated[int, Field(ge=1, le=200)] | Literal["auto"] = "auto"
    """How many topics there are; `auto` takes the fewest that divide the map well."""
    max_topics: Annotated[int, Field(ge=2, le=100)] = 40
    """The most topics that `auto` may choose."""
    neighbours: Annotated[int, Field(ge=2, le=200)] = 15
    """How many similar texts shape a text's place on the map; more show its broad lines."""
    fit_texts: Annotated[int, Field(ge=100)] = 50_000
    """Distinct texts that the map is made from; of more, an even sample, and the others are
    placed beside the texts that they resemble."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Where the random numbers start: another seed gives another map of the same texts."""


class AnomalySettings(Settings):
    """How unusual rows are found."""

    top: Annotated[int, Field(ge=1, le=10_000)] = 50
    """How many rows are flagged; at most a tenth of them where the table is small."""
    contamination: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """The share of the rows that is flagged instead, such as 0.01; at most 10,000 rows."""
