"""The base of every settings model."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; each stage's settings.py extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    not_in_keys: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no result, such as paths and devices."""

    def key_values(self) -> dict[str, Any]:
        """The settings that change a result, JSON-ready and by their names."""
        values = self.model_dump(mode="json", exclude=set(self.not_in_keys))
        for name in values:
            part = getattr(self, name)
            if isinstance(part, Settings):
                values[name] = part.key_values()
        return values

    def places(self) -> dict[str, str]:
        """The columns that these settings name, by their place within the section."""
        return {}

    def check_columns(self, columns: Any) -> None:
        """Hold the settings against the roles of the columns.

        Raises:
            ValueError: They do not go together.
        """
