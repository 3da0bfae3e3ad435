"""The tables of vectors."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, integer, text, vector

EMBEDDINGS = Contract("embeddings", {"row_id": text(), "embedding": vector()})

STORED_VECTORS = Contract(
    "store",
    {"text_hash": vector(), "embedding": vector(), "tokens": integer(), "language": text()},
)
