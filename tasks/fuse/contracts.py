"""The tables of features."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, text, vector

# One fixed-size vector per block; the schema's metadata names the features in it.
FEATURES = Contract("features", {"row_id": text()}, prefixes={"block.": vector()})
