"""The tables of models in use."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, integer, number, text

# The models in use on partitions that came after them; what has no labels has no metric.
MONITOR = Contract(
    "monitor",
    {
        "partition": text(),
        "model": text(),
        "rows": integer(),
        "labelled": integer(),
        **{
            name + end: number(nullable=True)
            for name in ("metric", "loss", "gap")
            for end in ("", "_low", "_high")
        },
    },
)
