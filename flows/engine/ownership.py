"""Whose root it is: two pipelines of one name must not write below one root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.key import digest

if TYPE_CHECKING:
    from fusemine.flows.engine.config import Loaded

RECORD = "pipeline.json"
"""Says below a root which pipeline.yaml it belongs to, and of which source."""


def check_owner(loaded: Loaded) -> None:
    """Refuse a root that belongs to another pipeline.

    A file that was moved or renamed, or whose source was corrected, is still the same pipeline;
    one that is elsewhere and reads another source is not.

    Raises:
        SettingsError: It does.
    """
    owner, own = _owner(loaded), _record(loaded)
    if any(owner.get(name) == value for name, value in own.items()) or not owner:
        return
    raise SettingsError(
        got=f"root {loaded.root}, which belongs to {owner.get('pipeline')}: a pipeline of the same "
        "name that reads another source",
        expected="a root of its own for each pipeline",
        fix=f"give one of the two another name or root; if {loaded.path.name} is to take the "
        f"place of the other, remove {loaded.root / RECORD}",
    )


def claim(loaded: Loaded) -> None:
    """Note whose root it is, before something is written below it.

    Raises:
        SettingsError: It belongs to another pipeline.
    """
    content = json.dumps(_record(loaded), indent=1).encode() + b"\n"
    if not loaded.store.create(RECORD, content):
        check_owner(loaded)
        if _owner(loaded) != _record(loaded):
            loaded.store.replace(RECORD, content)


def _record(loaded: Loaded) -> dict[str, Any]:
    source = loaded.pipeline.source.model_dump(mode="json")
    return {"pipeline": str(loaded.path), "source": digest(source)}


def _owner(loaded: Loaded) -> dict[str, Any]:
    """What the record says; nothing where there is none, or none that can be read."""
    try:
        owner = json.loads(loaded.store.read(RECORD))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}
