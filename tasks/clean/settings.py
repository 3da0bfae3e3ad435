"""What can be set of cleaning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fusemine.tasks.core.settings import Settings


class CleanSettings(Settings):
    """How cells are cleaned and which rows cannot be used."""

    def places(self) -> dict[str, str]:
        """Each column that is named here, by the place in the YAML that names it."""
        return {f"clean.required[{i}]": name for i, name in enumerate(self.required)}

    null_values: tuple[str, ...] = ()
    """Cells that mean «nothing», besides empty ones (`N/A`, `?`)."""
    decimal: Literal[".", ","] = "."
    """The decimal mark of numbers; the other one may separate thousands."""
    invalid_number: Literal["blank", "reject"] = "blank"
    """What becomes of a row with a number that cannot be read: the cell is blanked and counted,
    or the row is rejected."""
    required: tuple[str, ...] = ()
    """Columns that must not be empty; rows without a value there are rejected."""
    max_characters: int = Field(default=100_000, ge=100)
    """Texts are cut at this length, so that one giant cell cannot stop a run."""
    joiner: str = "\n"
    """What stands between several text columns in the joined text."""
