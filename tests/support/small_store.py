"""Small spaces of the embedding store, with uses some days ago."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.store.space import STORE, USE, Facts, Use, write_facts
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
FACTS = Facts(
    model="birds", path="packed", precision="float32", dimension=4, max_tokens=256, settings={}
)


def make_space(root: Path, name: str, used: Sequence[int] = (), texts: int = 3) -> Path:
    """A space of one part, whose files are 40 days old; its folder.

    Args:
        root: Folder of the pipeline's artifacts.
        name: Of the space.
        used: How many days ago it was looked into, for two texts, one of them there.
        texts: Texts that it holds.
    """
    store, space = store_at(root), f"{STORE}/{name}"
    words = [f"{name} {number}" for number in range(texts)]
    vectors = EmbeddingStore(store, space, "float32")
    vectors.add(keys_of(words), np.eye(texts, 4, dtype=np.float32), [1] * texts, [""] * texts)
    write_facts(store, space, FACTS)
    if used:
        use = Use(texts=2 * len(used), hits=len(used), at=NOW - min(used) * DAY)
        store.create(f"{space}/{USE}", use.model_dump_json().encode())
    for path in (root / space).iterdir():
        os.utime(path, ((NOW - 40 * DAY).timestamp(),) * 2)
    return root / space
