"""The base of every settings model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; each stage's settings.py extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
