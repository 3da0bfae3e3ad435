"""Made-up texts on a few subjects, with vectors that lie in heaps, for tests of topics."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SUBJECTS = {
    "deer": ("deer", "gear", "runway", "antler"),
    "engine": ("engine", "fan", "blades", "vibration"),
    "window": ("window", "cracked", "cockpit", "glass"),
    "gulls": ("gulls", "flock", "tower", "shore"),
}
DIMENSION = 24


def said(subject: str, number: int) -> str:
    """A text on a subject; each number says it in other words."""
    first, *others = SUBJECTS[subject]
    draw = np.random.default_rng(number)
    return f"{first} {' '.join(draw.choice(others, 2, replace=False))} {number}"


def vector_of(text: str) -> NDArray[np.float32]:
    """A unit vector near the axis of the text's first word, (DIMENSION,)."""
    word = text.split(" ", maxsplit=1)[0]
    axis = sorted(SUBJECTS).index(word) if word in SUBJECTS else len(SUBJECTS)
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    noise = np.random.default_rng(seed).normal(scale=0.08, size=DIMENSION)
    return unit((np.eye(DIMENSION)[axis] + noise)[None])[0]


def month(partition: str, counts: Mapping[str, int], start: int = 0) -> Window:
    """A partition with so many rows on each subject; texts are numbered from `start`."""
    texts = [said(what, start + i) for what, rows in counts.items() for i in range(rows)]
    return window_of(partition, texts)


def window_of(partition: str, texts: list[str]) -> Window:
    """A partition with these texts; an empty one stands for none."""
    clean = pl.DataFrame(
        {
            "row_id": [f"{partition}-{i}" for i in range(len(texts))],
            "partition": [partition] * len(texts),
            "text": texts,
            "has_text": [bool(text) for text in texts],
        },
        {
            "row_id": pl.String,
            "partition": pl.String,
            "text": pl.String,
            "has_text": pl.Boolean,
        },
    )
    blank = np.zeros(DIMENSION, np.float32)
    rows = [vector_of(text) if text else blank for text in texts]
    matrix = np.stack(rows) if rows else np.empty((0, DIMENSION), np.float32)
    return Window(clean, matrix, pl.DataFrame())


def joined(*windows: Window) -> Window:
    """Several partitions as one window."""
    clean = pl.concat([window.clean for window in windows])
    return Window(clean, np.concatenate([w.matrix for w in windows]), pl.DataFrame())
