"""What can be set of text lengths."""

from __future__ import annotations

from pydantic import Field

from fusemine.tasks.core.settings import Settings


class LengthsSettings(Settings):
    """How many of the longest texts are kept."""

    longest: int = Field(default=3, ge=1)
    """The longest texts that are kept as a table."""
