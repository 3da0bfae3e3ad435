"""Whose root it is: two pipelines of one name must not write below one root."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.key import digest

if TYPE_CHECKING:
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.storage.store import Store

RECORD = "pipeline.json"
"""Says below a root which pipeline.yaml it belongs to, and of which source."""


@dataclass(frozen=True)
class Owner:
    """A pipeline that uses a root.

    Args:
        store: The root.
        path: The pipeline.yaml.
        source: What it reads.
    """

    store: Store
    path: Path
    source: Settings

    def check(self) -> None:
        """Refuse a root that belongs to another pipeline.

        A file that was moved or renamed, or whose source was corrected, is still the same
        pipeline; one that is elsewhere and reads another source is not.

        Raises:
            SettingsError: It does.
        """
        owner, own = self._recorded(), self._record()
        if not owner or any(owner.get(name) == value for name, value in own.items()):
            return
        place = f"{self.store.root}/{RECORD}"
        raise SettingsError(
            got=f"root {self.store.root}, which belongs to {owner.get('pipeline')}: a pipeline of "
            "the same name that reads another source",
            expected="a root of its own for each pipeline",
            fix=f"give one of the two another name or root; if {self.path.name} is to take the "
            f"place of the other, remove {place}",
        )

    def claim(self) -> None:
        """Record whose root it is, before something is written below it.

        Raises:
            SettingsError: It belongs to another pipeline.
        """
        record = self._record()
        content = json.dumps(record, indent=1).encode() + b"\n"
        if not self.store.create(RECORD, content):
            self.check()
            if self._recorded() != record:
                self.store.replace(RECORD, content)

    def _record(self) -> dict[str, Any]:
        # Below its own folder a root moves with it; elsewhere two folders may mean it, whose
        # relative paths are not the same source.
        base = self.path.parent
        place = "" if Path(self.store.root).is_relative_to(base) else str(base)
        source = [place, self.source.model_dump(mode="json")]
        return {"pipeline": str(self.path), "source": digest(source)}

    def _recorded(self) -> dict[str, Any]:
        """What the record says; nothing where there is none, or none that can be read."""
        try:
            owner = json.loads(self.store.read(RECORD))
        except (OSError, ValueError):
            return {}
        return owner if isinstance(owner, dict) else {}
