"""The tables of raw rows."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, text

RAW = Contract("raw", {"row_id": text(), "partition": text(), "source": text()}, open=True)
