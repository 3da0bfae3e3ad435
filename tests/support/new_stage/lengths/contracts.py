"""The tables of text lengths."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, integer, text

LENGTHS = Contract("lengths", {"row_id": text(), "characters": integer()})
LONGEST = Contract("longest", {"row_id": text(), "text": text()})
