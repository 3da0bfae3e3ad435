"""The settings of the report."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from fusemine.tasks.core.settings import Settings


class ReportSettings(Settings):
    """How much the report shows; it gives the count of whatever it leaves out."""

    not_in_keys: ClassVar[frozenset[str]] = frozenset({"publish"})

    map_points: int = Field(default=25_000, ge=100, le=25_000)
    """Most points on the map of the texts; of more rows an even sample is shown."""
    topics: int = Field(default=12, ge=1, le=60)
    """Topics shown at first; 48 more can be expanded."""
    anomalies: int = Field(default=10, ge=1, le=60)
    """Unusual rows shown at first, besides up to five new ones; 30 more can be expanded."""
    examples: int = Field(default=3, ge=0, le=10)
    """Example rows of each rejection rule, and texts of each topic: half of them have most of its
    words, half are nearest to its centre."""
    publish: Literal["counts", "full"] = "counts"
    """What the Prefect server is sent of a run, where all its users read it: `counts` and figures
    with the report's place, or in `full` what the report says in short, with words, ids and values
    of rows. Errors go with it."""
