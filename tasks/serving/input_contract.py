"""The input contract of a model: how the rows that it scores must be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusemine.tasks.core.request import Sections

PLACES = ("columns", "clean", "partition", "embed", "embed.columns", "embed.weights")
"""The settings that it is made of, for keys."""


def input_contract(sections: Sections) -> dict[str, Any]:
    """Columns, cleaning, calendar and embedding, JSON-ready."""
    embed = sections.section(EmbedSettings)
    return {
        "columns": sections.section(Columns).key_values(),
        "clean": sections.section(CleanSettings).key_values(),
        "partition": sections.section(PartitionSettings).key_values(),
        "embed": embed.key_values() | {"columns": embed.columns, "weights": embed.weights},
    }


@dataclass(frozen=True)
class InputContract:
    """How rows are read for a model.

    Attributes:
        columns: Roles of the columns.
        cleaning: How cells are cleaned.
        by: How the table is cut into partitions, with the zone of its calendar.
        levels: The levels of each category in training, where they are not too many.
        forgotten: Hashes of row ids that must be left out.
    """

    columns: Columns
    cleaning: CleanSettings
    by: PartitionSettings
    levels: Mapping[str, list[str]]
    forgotten: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, values: dict[str, Any], levels: Mapping[str, list[str]], forgotten: frozenset[str]
    ) -> InputContract:
        """From what `input_contract` returned when the model was trained."""
        return cls(
            Columns.model_validate(values["columns"]),
            CleanSettings.model_validate(values["clean"]),
            PartitionSettings.model_validate(values["partition"]),
            levels,
            forgotten,
        )

    def required(self) -> list[str]:
        """The columns that new rows must have; a label, for one, is not among them."""
        columns = self.columns
        single = [columns.id, columns.time.column if columns.time else None]
        mined = [*columns.text, *columns.category, *columns.number]
        return [name for name in [*single, *mined, *self.cleaning.required] if name]
