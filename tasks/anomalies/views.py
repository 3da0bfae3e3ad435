"""The ways in which text and table are looked at, each with the detectors that suit it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tasks.anomalies.neighbours import neighbours_of
from tasks.anomalies.tails import joined, p_values, significant
from tasks.anomalies.unlike import TABLE_SHRINKAGE, TEXT_SHRINKAGE, Shape, apart
from tasks.fuse.numbers import Numbers
from tasks.fuse.parts import Rows
from tasks.fuse.settings import FuseSettings
from tasks.texts.words import essence

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from tasks.texts.distinct import Texts

USUAL = 0.1
"""A text that this share of the texts or less is as far away as, is nobody's usual neighbour."""
PLACES, RANGES = 20, 10
"""Which neighbour counts, by the numbers' ranks and by their robust ranges."""
SEED = 0


@dataclass(frozen=True)
class View:
    """One way to look at the rows.

    Attributes:
        tails: (n,) how probable a row as unusual is, NaN for a row that is not in the view.
        note: `used`, or why the view is not there.
        detectors: What `tails` is joined from, by name, each (n,) p-values.
    """

    tails: NDArray[np.float64]
    note: str = "used"
    detectors: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def used(self) -> bool:
        return bool((~np.isnan(self.tails)).any())

    def shares(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n,) the share of the known rows in the view that are less unusual, NaN for none."""
        ordered = np.sort(self.tails[known & ~np.isnan(self.tails)])
        less = len(ordered) - np.searchsorted(ordered, self.tails, "right")
        return np.where(np.isnan(self.tails), np.nan, less / max(len(ordered), 1))


def absent(rows: int, note: str) -> View:
    """A view that is not there."""
    return View(np.full(rows, np.nan), note)


def text_view(texts: Texts, known: NDArray[np.bool_]) -> View:
    """Texts far from most others, and far from the texts nearest to them.

    The first is a Mahalanobis distance with the shape of the core of the known texts, each of
    which counts once however common it is. The second is the mean similarity to the nearest of
    those known texts that are not far from most themselves: a group of foreign texts does not make
    itself usual.

    Args:
        texts: The m distinct texts of n rows.
        known: (n,) the rows of history.
    """
    rows = len(texts.of_row)
    seen = texts_of(texts, known)
    shape = Shape.core(texts.vectors[seen], TEXT_SHRINKAGE)
    if shape is None:
        return absent(rows, "no two texts differ" if len(texts) else "no texts")
    far = p_values(shape.distances(texts.vectors), seen)
    lonely = p_values(_lonely(texts, seen & (far > USUAL)), seen)
    found = {"far from the core": far, "few near": lonely}
    found = {name: np.append(tails, np.nan)[texts.of_row] for name, tails in found.items()}
    # A text of seven rows is seven times as usual as its place says, and that place can be no
    # farther out than seven rows are: `NONE` is far from all narratives, but nothing to look into.
    alike = _alike(texts, known)
    least = np.where(alike > 1, alike / known.sum(), 0)
    tails = np.minimum(np.maximum(joined(list(found.values())), least) * alike, 1)
    return View(tails, detectors=found)


def texts_of(texts: Texts, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(m,) the distinct texts that at least one of some rows (n,) has."""
    found = np.zeros(len(texts), bool)
    found[texts.of_row[rows & (texts.of_row >= 0)]] = True
    return found


def _lonely(texts: Texts, usual: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(m,) the mean distance, 1 - cosine, to the nearest usual texts; 1 where there is none."""
    similar = neighbours_of(texts, usual).similar.astype(np.float64)
    there = (~np.isnan(similar)).sum(axis=1)
    return significant(1 - np.nansum(similar, axis=1) / np.maximum(there, 1))


def _alike(texts: Texts, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the number of known rows with nearly its text, at least 1."""
    has = texts.of_row[known & (texts.of_row >= 0)]
    rows = np.bincount(has, minlength=len(texts))
    counts: Counter[str] = Counter()
    cores = [essence(text) for text in texts.texts]
    for core, its in zip(cores, rows.tolist(), strict=True):
        counts[core] += its
    alike = np.array([*(counts[core] for core in cores), 1], np.int64)
    return np.maximum(alike[texts.of_row], 1)


@dataclass(frozen=True)
class Table:
    """The columns besides the text, as features.

    Attributes:
        clean: The clean table of n rows.
        features: (n, c) numbers and categories, finite.
        names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
    """

    clean: pl.DataFrame
    features: NDArray[np.float32]
    names: Sequence[str]

    def shape(self, known: NDArray[np.bool_]) -> Shape | None:
        """The shape of the known rows, by which a row's features are named."""
        return Shape.of(self.features[known], TABLE_SHRINKAGE)


def table_view(table: Table, known: NDArray[np.bool_]) -> View:
    """Rows far from the rows nearest to them, and rows that few questions single out.

    Nearness is measured twice, by the features as they are and with the numbers in robust ranges,
    where a number far out stays far out. An isolation forest (Liu et al. 2008) looks at numbers
    alone: it hardly asks after single levels. Known rows teach, `known` is (n,).
    """
    features = table.features
    if not features.size or not np.ptp(features[known], axis=0).any():
        wide = bool(features.shape[1])
        return absent(len(features), "no column varies" if wide else "no numbers and categories")
    found = {"few near, by ranks": p_values(apart(features, known, PLACES), known)}
    numbers = _ranges(table.clean, known)
    if numbers.shape[1]:
        levels = [i for i, name in enumerate(table.names) if " = " in name]
        both = np.hstack([numbers, features[:, levels]])
        found["few near, by ranges"] = p_values(apart(both, known, RANGES), known)
        found["isolated"] = p_values(_isolated(numbers, known), known)
    return View(joined(list(found.values())), detectors=found)


def _ranges(clean: pl.DataFrame, known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The number columns in robust ranges, together with the spread of one feature."""
    empty = np.empty((clean.height, 0), np.float32)
    part = Numbers(FuseSettings(scaling="robust"))
    rows = Rows(clean, empty)
    part.fit(rows.take(np.flatnonzero(known)))
    found = part.transform(rows)
    spread = float(np.sqrt(found[known].var(axis=0, dtype=np.float64).sum()))
    return np.asarray(found / spread, np.float32) if spread > 0 else empty


def _isolated(numbers: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(random_state=SEED).fit(numbers[known])
    return significant(-forest.score_samples(numbers))
