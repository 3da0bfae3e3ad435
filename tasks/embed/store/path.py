"""Where the vectors of an encoder are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.embed.encoders.kinds import earlier_keys, space_key
from fusemine.tasks.embed.store.space import STORE

if TYPE_CHECKING:
    from fusemine.tasks.core.store import Store
    from fusemine.tasks.embed.encoders.files import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings


def space_of(settings: EmbedSettings, model: ModelFiles, precision: str) -> str:
    """The name of the space that a run would read and fill.

    Args:
        settings: How texts become vectors.
        model: The encoder.
        precision: Of the computation, as resolved; `auto` may mean another one elsewhere.
    """
    values = {**settings.key_values(), "precision": precision}
    return f"{STORE}/{space_key(model.kind, values, model.fingerprint)}"


def adopt(store: Store, settings: EmbedSettings, model: ModelFiles, precision: str) -> str | None:
    """Take over the space in which an earlier version of fusemine kept the same vectors.

    Returns:
        The name that the space had; None where there is none, or a new one already.
    """
    values = {**settings.key_values(), "precision": precision}
    new = space_of(settings, model, precision)
    spaces = store.folders(STORE)
    if new.partition("/")[2] in spaces:
        return None
    for key in earlier_keys(model.kind, values, model.fingerprint):
        if key in spaces:
            store.rename(f"{STORE}/{key}", new)
            return f"{STORE}/{key}"
    return None
