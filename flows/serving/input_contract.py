"""How a pipeline reads rows: what a model and the rows that it scores must have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusemine.flows.engine.config import Pipeline


def reading_of(pipeline: Pipeline) -> dict[str, Any]:
    """Columns, cleaning, calendar and embedding, JSON-ready."""
    embed = pipeline.embed
    return {
        "columns": pipeline.columns.model_dump(
            mode="json", exclude={"label": {"note", "corrections"}}
        ),
        "clean": pipeline.clean.model_dump(mode="json"),
        "partition": pipeline.partition.model_dump(mode="json", exclude={"lag"}),
        "embed": embed.key_values() | {"columns": embed.columns, "weights": embed.weights},
    }
