"""The tables of scored files."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, text
from fusemine.tasks.table.roles import TEXT

# The texts of scored rows as they were embedded, so that they can be forgotten later.
TEXTS = Contract("texts", {"row_id": text(), "text": text()}, prefixes={TEXT: text()})
