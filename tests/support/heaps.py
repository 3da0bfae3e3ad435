"""Vectors that lie in heaps, and made-up texts on a few subjects with such vectors."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.core.window import Rows
from fusemine.tasks.text.distinct import Texts, distinct_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats = NDArray[np.float32]
SUBJECTS = {
    "deer": ("deer", "gear", "runway", "antler"),
    "engine": ("engine", "fan", "blades", "vibration"),
    "window": ("window", "cracked", "cockpit", "glass"),
    "gulls": ("gulls", "flock", "tower", "shore"),
}
DIMENSION = 24


def heaps(count: int, each: int, noise: float = 0.12, seed: int = 0, dimension: int = 32) -> Floats:
    """`each` unit vectors around every one of `count` axes, heap by heap."""
    draw = np.random.default_rng(seed)
    axes = np.repeat(np.eye(dimension)[np.arange(count) % dimension], each, axis=0)
    return unit((axes + noise * draw.normal(size=axes.shape)).astype(np.float32))


def text_on(subject: str, number: int) -> str:
    """A text on a subject; each number has other words."""
    first, *others = SUBJECTS[subject]
    draw = np.random.default_rng(number)
    return f"{first} {' '.join(draw.choice(others, 2, replace=False))} {number}"


def vector_of(text: str) -> Floats:
    """A unit vector near the axis of the text's first word, (DIMENSION,)."""
    word = text.split(" ", maxsplit=1)[0]
    axis = sorted(SUBJECTS).index(word) if word in SUBJECTS else len(SUBJECTS)
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    noise = np.random.default_rng(seed).normal(scale=0.08, size=DIMENSION)
    return unit((np.eye(DIMENSION)[axis] + noise)[None])[0]


def month(partition: str, counts: Mapping[str, int], start: int = 0) -> Rows:
    """A partition with so many rows on each subject; texts are numbered from `start`."""
    texts = [text_on(what, start + i) for what, rows in counts.items() for i in range(rows)]
    return rows_of(partition, texts)


def rows_of(partition: str, texts: list[str]) -> Rows:
    """A partition with these texts; an empty one stands for none."""
    values = {
        "row_id": [f"{partition}-{i}" for i in range(len(texts))],
        "partition": [partition] * len(texts),
        "text": texts,
        "has_text": [bool(text) for text in texts],
    }
    clean = pl.DataFrame(values, dict.fromkeys(values, pl.String) | {"has_text": pl.Boolean})
    blank = np.zeros(DIMENSION, np.float32)
    matrix = [vector_of(text) if text else blank for text in texts]
    return Rows(clean, np.array(matrix, np.float32).reshape(len(texts), DIMENSION))


def texts_of(*partitions: Rows) -> Texts:
    """The distinct texts of some partitions."""
    clean = pl.concat([rows.clean for rows in partitions])
    return distinct_texts(clean, np.concatenate([rows.matrix for rows in partitions]))
