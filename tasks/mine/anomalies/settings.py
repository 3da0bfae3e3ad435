"""What can be set of anomaly detection."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fusemine.tasks.core.settings import Settings


class AnomaliesSettings(Settings):
    """How unusual rows are found."""

    false_alarms: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Rows are flagged as long as at most about this share of them is expected to be usual ones;
    in a table without anything unusual hardly any row is; at most 10,000 rows."""
    top: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many rows are flagged instead; at most a tenth of them where the table is small."""
    contamination: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """The share of the rows that is flagged instead, such as 0.01; at most 10,000 rows."""
