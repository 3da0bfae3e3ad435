"""What is kept of detectors: their fields, and nothing that is computed from them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class Stored:
    """A frozen dataclass whose state is its fields alone, without what was cached beside them."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
