"""Texts that repeat, such as templates, junk and bursts of spam, as groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.anomalies.contracts import REPEATS
from fusemine.tasks.text.words import LONGEST_TEXT, without_noise

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours
    from fusemine.tasks.mine.anomalies.views.view import Ints, Vectors
    from fusemine.tasks.text.distinct import Texts

MIN_ROWS, SHARE = 10, 0.001
"""A group counts from so many rows on, and from this share of all rows."""
MAX_GROUPS = 200
SIMILAR = 0.97
"""Texts of at least this cosine similarity are copies, as in `label_errors.near_copies`."""
STILL_SIMILAR = 0.9
"""Copies of copies stay together down to this similarity to the commonest of them."""
EXAMPLE = 200
"""Characters of a group's example."""
BRIEF, BY_CHANCE = 1 / 6, 0.001
"""A group is a burst where half of its rows lie in partitions with at most this share of the
others, and chance would bring that about at most so often."""
_MAX_WORDS = 50
"""Only so many first words of a text are compared with a template."""
_SHARED, _SHARED_PART = 4, 0.6
"""Words that two texts of one template share at least, and their share of each text's words."""
_STEP = 2
_SPLITS = 20
_SCHEMA = pl.DataFrame(REPEATS.empty()).schema


@dataclass(frozen=True)
class Repeats:
    """Groups of rows with nearly the same text, the largest first.

    Attributes:
        of_row: (n,) each row's group, from 0, or -1.
        groups: A row for each group as `contracts.REPEATS` declares: how many rows and distinct
            texts it has and the share of all rows, its first and last partition and the one with
            most of it, a row of its commonest text, and whether its rows come in a burst.
    """

    of_row: Ints
    groups: pl.DataFrame


def find_repeats(clean: pl.DataFrame, texts: Texts, neighbours: Neighbours) -> Repeats:
    """Group the texts that are copies of each other or are filled into the same template.

    Copies differ only in case, digits and punctuation, or have vectors of at least the cosine
    `SIMILAR`. Texts of a template share a sequence of frequent words, whatever rarer words stand
    between them. Log parsers look for the same (He et al. 2017, Drain); here the words'
    frequencies decide, so that a slot may hold any number of words.

    A group is a burst where half of its rows lie in a run of partitions that holds at most a sixth
    of all other rows, unless so few rows may do so by chance (binomial, times the number of
    partitions: more often than in one of a thousand groups).
    """
    few = max(MIN_ROWS, int(np.ceil(SHARE * clean.height)))
    cores = _cores(texts)
    groups = _templates(cores, _copies(cores, texts, neighbours), few)
    of_text = groups[cores.of_text]
    rows = np.bincount(of_text, weights=texts.rows, minlength=len(cores.words) + 1)
    large = np.flatnonzero(rows >= few)
    chosen = large[np.argsort(-rows[large], kind="stable")][:MAX_GROUPS]
    number = np.full(len(rows), -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    of_row = np.append(number[of_text], -1)[texts.of_row]
    return Repeats(of_row, _described(clean, texts, of_row))


@dataclass(frozen=True)
class _Cores:
    """What is left of m texts without case, digits and punctuation: c cores.

    `of_text` is (m,) the core of each text, `rows` (c,) the rows of each core, `common` (c,) its
    commonest text.
    """

    words: list[list[str]]
    of_text: Ints
    rows: Ints
    common: Ints


def _cores(texts: Texts) -> _Cores:
    places: dict[str, int] = {}
    of_text = np.array(
        [
            places.setdefault(without_noise(text[:LONGEST_TEXT]), len(places))
            for text in texts.texts
        ],
        np.int64,
    )
    rows = np.bincount(of_text, weights=texts.rows, minlength=len(places)).astype(np.int64)
    order = np.lexsort((-texts.rows, of_text))
    common = order[np.searchsorted(of_text[order], np.arange(len(places)))]
    return _Cores([core.split()[:_MAX_WORDS] for core in places], of_text, rows, common)


def _copies(cores: _Cores, texts: Texts, neighbours: Neighbours) -> Ints:
    """(c,) for each core the core that it is a copy of, itself if it is none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(cores.words)
    found = np.arange(size)
    text, place = np.nonzero(neighbours.similar >= SIMILAR)
    ends = cores.of_text[text], cores.of_text[neighbours.places[text, place]]
    edges = coo_array((np.ones(len(text)), ends), shape=(size, size))
    _, part = connected_components(edges, directed=False)
    order = np.argsort(part, kind="stable")
    starts = np.flatnonzero(np.diff(part[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if len(members) > 1:
            _split(members, cores, texts.vectors, found)
    return found


def _split(members: Ints, cores: _Cores, vectors: Vectors, found: Ints) -> None:
    """Gather a chain of copies around its commonest ones, so that its ends do not meet."""
    rest = members[np.argsort(-cores.rows[members], kind="stable")]
    for _ in range(_SPLITS):
        if not len(rest):
            return
        # Not by BLAS, whose last bits depend on its threads.
        similar = np.einsum("ij,j", vectors[cores.common[rest]], vectors[cores.common[rest[0]]])
        near = similar >= STILL_SIMILAR
        near[0] = True
        found[rest[near]] = rest[0]
        rest = rest[~near]


def _templates(cores: _Cores, groups: Ints, few: int) -> Ints:
    """Join groups of copies that are filled into one template, the widest template first."""
    leaders = np.unique(groups).tolist()
    rows = np.bincount(groups, weights=cores.rows, minlength=len(groups))
    words = {leader: cores.words[leader] for leader in leaders}
    counts = Counter(word for found in words.values() for word in set(found))
    joined = groups.copy()
    most = max(counts.values(), default=0) - 1
    while most >= MIN_ROWS // _STEP:
        frequent = {word for word, count in counts.items() if count > most}
        # A text without a rarer word has no slot.
        words = {leader: its for leader, its in words.items() if not frequent.issuperset(its)}
        for members in _same_words(words, frequent):
            if len(members) >= MIN_ROWS and rows[members].sum() >= few:
                joined[members] = members[0]
                for leader in members:
                    del words[leader]
        most //= _STEP
    return joined[groups]


def _same_words(words: dict[int, list[str]], frequent: set[str]) -> list[list[int]]:
    """Those of the texts that mostly consist of the same frequent words in the same order."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for text, its in words.items():
        kept = tuple(word for word in its if word in frequent)
        if len(kept) >= max(_SHARED, _SHARED_PART * len(its)):
            found[kept].append(text)
    return list(found.values())


def _described(clean: pl.DataFrame, texts: Texts, of_row: Ints) -> pl.DataFrame:
    """A line for each group, in the order of the groups."""
    rows = clean.select("partition", "row_id", "text", group=of_row, its=texts.of_row)
    rows = rows.with_columns(often=np.append(texts.rows, 0)[texts.of_row])
    rows = rows.filter(pl.col("group") >= 0)
    commonest = pl.col("often").arg_max()
    groups = rows.group_by("group").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("its").n_unique().cast(pl.Int64).alias("texts"),
        (pl.len() / max(clean.height, 1)).alias("share"),
        pl.col("partition").min().alias("first"),
        pl.col("partition").max().alias("last"),
        pl.col("row_id").get(commonest).alias("example"),
        pl.col("text").get(commonest),
    )
    groups = groups.sort("group").with_columns(
        pl.col("text").map_elements(_short, return_dtype=pl.String)
    )
    over_time = _over_time(clean["partition"], of_row, groups.height)
    return groups.hstack(over_time).select(*_SCHEMA)


def _short(text: str) -> str:
    line = " ".join(text[: EXAMPLE * 4].split())
    return line if len(line) <= EXAMPLE else line[: EXAMPLE - 1].rstrip() + "…"


def _over_time(partitions: pl.Series, of_row: Ints, groups: int) -> pl.DataFrame:
    """For each group the partition with most of its rows, these rows, whether it is a burst."""
    names = partitions.unique().sort()
    code = names.search_sorted(partitions).to_numpy()
    every = np.bincount(code, minlength=len(names))
    lines = []
    for group in range(groups):
        its = np.bincount(code[of_row == group], minlength=len(names))
        peak = int(its.argmax())
        lines.append((names[peak], int(its[peak]), _burst(its, every - its)))
    columns = {name: _SCHEMA[name] for name in ("peak", "peak_rows", "burst")}
    return pl.DataFrame(lines, columns, orient="row")


def _burst(its: Ints, others: Ints) -> bool:
    """Whether half of a group's rows lie in a run of partitions too short for chance."""
    from scipy.stats import binom

    if not others.any():
        return False
    half = -(-int(its.sum()) // 2)
    sums, shares = np.append(0, its.cumsum()), np.append(0, others.cumsum()) / others.sum()
    ends = np.searchsorted(sums, sums[:-1] + half)
    starts = np.flatnonzero(ends < len(sums))
    share = float((shares[ends[starts]] - shares[starts]).min())
    chance = binom.sf(half - 1, its.sum(), share) * len(its)
    return bool(share <= BRIEF and chance <= BY_CHANCE)
