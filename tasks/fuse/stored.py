"""Features in Parquet: one vector column per block, every feature named in the metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fusemine.tasks.core import vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.fuse.features import Features

PREFIX = "block."
_TEXT = "text"


def features_table(row_ids: Sequence[str], features: Features) -> pa.Table:
    """The blocks as a table by the contract `features`."""
    columns = {"row_id": pa.array(row_ids, pa.string())}
    described = {}
    for name, block in features.blocks.items():
        columns[PREFIX + name] = vectors.to_arrow(block.matrix)
        described[name] = {"scale": block.scale, "features": list(block.names)}
    metadata = {"dtype": "float32", "blocks": json.dumps(described, ensure_ascii=False)}
    return pa.table(columns).replace_schema_metadata(metadata)


def table_block(stored: pa.Table) -> tuple[np.ndarray, list[str]]:
    """Every block but the text's, side by side: float32 of shape (rows, features), and names."""
    described = json.loads(stored.schema.metadata[b"blocks"])
    chosen = [name for name in described if name != _TEXT]
    matrices = [vectors.to_numpy(stored.column(PREFIX + name)) for name in chosen]
    names = [feature for name in chosen for feature in described[name]["features"]]
    empty = np.empty((stored.num_rows, 0), np.float32)
    return np.hstack([empty, *matrices]), names
