"""Rows of the same or nearly the same text with different labels: one of the two may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.text.neighbours import nearest_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_SIMILARITY = 0.97
"""Texts of at least this cosine similarity are near-duplicates."""
MIN_WORDS = 5
"""Different words that a text needs. Thousands of reports read "no damage": so short a text does
not settle its label, which the rest of the row does, so two of them do not contradict each other.
A number is not a word; in scripts without blanks two characters count as one."""
MAX_TEXTS = 20_000
"""Distinct texts whose vectors are compared; of more, so many that are evenly spread."""
MAX_PAIRS = 50
READ = 1_000
"""Characters of a text in which its words are counted."""
_WORDS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}]{1,2}|[\p{L}\p{M}]+"


@dataclass(frozen=True)
class Pair:
    """Two rows of like texts whose labels differ; the second row's label is the commoner one."""

    row_id: str
    label: str
    other_row_id: str
    other_label: str
    similarity: float
    """Cosine of their texts; 1 for texts that are the same but for case and blanks."""


@dataclass(frozen=True)
class NearDuplicates:
    """The pairs of rows of like texts whose labels differ."""

    pairs: tuple[Pair, ...] = ()
    """The same texts first, then the most similar; at most `MAX_PAIRS`."""
    same: int = 0
    """Pairs of the same text, one for each further label that a text has."""
    near: int = 0
    """Pairs of near-duplicates, one for each text with one among the texts of commoner labels."""
    texts: int = 0
    """Distinct texts that have words enough."""
    compared: int = 0
    """Those of them whose vectors were compared."""


def find_near_duplicates(clean: pl.DataFrame, vectors: NDArray[np.float32]) -> NearDuplicates:
    """Find rows of the same or nearly the same text whose labels, which are classes, differ.

    Args:
        clean: `row_id`, `text` and `label` of n rows; those without label do not count.
        vectors: The texts' unit vectors, float32 (n, d).
    """
    groups = _groups(clean)
    # Each distinct text once, with its commonest label.
    texts = groups.unique("key", keep="first", maintain_order=True)
    same = list(_same(groups, texts))
    compared = texts[evenly_spaced(texts.height, MAX_TEXTS)]
    near = sorted(_near(compared, vectors), key=lambda pair: -pair.similarity)
    pairs = tuple([*same, *near][:MAX_PAIRS])
    return NearDuplicates(pairs, len(same), len(near), texts.height, compared.height)


def _groups(clean: pl.DataFrame) -> pl.DataFrame:
    """One row per distinct text and label, the commonest label of a text first.

    `rows` have it, and `row` and `row_id` are the first of them.
    """
    text = pl.col("text").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    words = pl.col("key").str.head(READ).str.extract_all(_WORDS).list.n_unique()
    rows = clean.select("row_id", "label", key=text, row=pl.int_range(pl.len()))
    labelled = rows.filter(pl.col("label").is_not_null() & (words >= MIN_WORDS))
    groups = labelled.group_by("key", "label", maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("row", "row_id").first()
    )
    return groups.sort(["rows", "row"], descending=[True, False])


def _same(groups: pl.DataFrame, texts: pl.DataFrame) -> Iterator[Pair]:
    """Every further label of a text, beside its commonest one, in the rows' order."""
    joined = groups.join(texts, on="key", how="left", suffix="_first", maintain_order="left")
    others = joined.filter(pl.col("label") != pl.col("label_first")).sort("row")
    pairs = others.select("row_id", "label", "row_id_first", "label_first")
    for row_id, label, other, other_label in pairs.iter_rows():
        yield Pair(row_id, label, other, other_label, 1.0)


def _near(texts: pl.DataFrame, vectors: NDArray[np.float32]) -> Iterator[Pair]:
    """Each text with the most similar one of a commoner label, where it is a near-duplicate.

    Only texts of other labels are searched, for a text of a common form may have more
    near-duplicates of its own label than can be searched.
    """
    counts = texts["label"].value_counts(name="texts").sort("texts", "label")["label"].to_list()
    rank = texts["label"].replace_strict(counts, range(len(counts)), return_dtype=pl.Int64)
    place, own = rank.to_numpy(), vectors[texts["row"].to_numpy()]
    ids, labels = texts["row_id"].to_list(), texts["label"].to_list()
    # Each class is searched in all commoner ones, so that every pair of classes comes up once.
    for code in range(len(counts) - 1):
        rarer, commoner = np.flatnonzero(place == code), np.flatnonzero(place > code)
        found, cosines = nearest_neighbours(own[rarer], own[commoner], 1)
        for k in np.flatnonzero(cosines[:, 0] >= MIN_SIMILARITY):
            a, b = int(rarer[k]), int(commoner[found[k, 0]])
            cosine = min(1.0, round(float(cosines[k, 0]), 4))
            yield Pair(ids[a], labels[a], ids[b], labels[b], cosine)
