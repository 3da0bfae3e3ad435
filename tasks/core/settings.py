"""The base of every settings model."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; each stage's settings.py extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    not_in_keys: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no result, such as paths and devices."""

    not_shown: ClassVar[frozenset[str]] = frozenset()
    """Fields that say where and when, and not what: no report shows them."""

    def key_values(self) -> dict[str, Any]:
        """The settings that change a result, JSON-ready and by their names."""
        return self._without("not_in_keys")

    def shown(self) -> dict[str, Any]:
        """The settings that a report shows, JSON-ready and by their names."""
        return self._without("not_shown")

    def _without(self, left_out: str) -> dict[str, Any]:
        values = self.model_dump(mode="json", exclude=set(getattr(self, left_out)))
        for name in values:
            part = getattr(self, name)
            if isinstance(part, Settings):
                values[name] = part._without(left_out)
        return values

    def places(self) -> dict[str, str]:
        """The columns that these settings name, by their place within the section."""
        return {}

    def check_columns(self, columns: Any) -> None:
        """Check the settings against the roles of the columns.

        Raises:
            ValueError: They contradict each other.
        """
