"""The tables of comparisons of models."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, number, text

# The losses of the model in use and of a new one, on rows that neither was trained on.
CHALLENGE = Contract("challenge", {"row_id": text(), "champion": number(), "challenger": number()})
