"""The tables of the source's partitions."""

from __future__ import annotations

from fusemine.tasks.core.contract import REJECTED, Contract, integer, text

INVENTORY = Contract(
    "inventory",
    {"partition": text(), "key": text(), "rows": integer(), "rejected": integer()},
)

UNASSIGNED = Contract("unassigned", REJECTED.columns)
