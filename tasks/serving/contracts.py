"""The tables of models."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, text

# The labelled rows that a model was trained on.
TRAINED = Contract("trained", {"row_id": text()})
