"""How a pipeline reads rows: what a model and the rows that it scores must have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
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
