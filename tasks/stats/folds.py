"""Dealing rows into folds: evenly by their label, and never parting what belongs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Target


def folds_of(target: Target, rows: pl.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row (n,): no fold parts a group, or a row from its copies.

    Args:
        target: The label of the n rows.
        rows: The rows; `group` and `duplicate_of` say what belongs together, where they are there.
        folds: How many folds.
        seed: Where the random numbers start.
    """
    if "group" in rows.columns:
        return _deal_groups(bound_together(rows), folds, seed)
    return with_duplicates(deal(strata(target), folds, seed), rows)


def deal(codes: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each row, the rows of every class dealt evenly and at random.

    As the classes are dealt one after the other, no class is too small for it, and a class of
    two rows or more is in the training part of every fold.
    """
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % folds
    return fold


def with_duplicates(fold: NDArray[np.int64], rows: pl.DataFrame) -> NDArray[np.int64]:
    """Move exact duplicates into the fold of their original, so that none is a peep at it."""
    return fold[_originals(rows)]


def strata(target: Target) -> NDArray[np.int64]:
    """What rows are dealt evenly by (n,): their class, or the fifth of the numbers they are in."""
    if not target.is_number:
        return np.asarray(target.values)
    edges = np.quantile(target.values, [0.2, 0.4, 0.6, 0.8]) if len(target) else np.zeros(0)
    return np.searchsorted(edges, target.values)


def groups_of(clean: pl.DataFrame) -> pl.Series:
    """The group of each row; a row without one is a group of its own."""
    alone = pl.concat_str(pl.lit("row "), pl.col("row_id"))
    named = pl.concat_str(pl.lit("group "), pl.col("group"))
    return clean.select(pl.coalesce(named, alone)).to_series()


def group_codes(groups: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of each row's group, in the order of their first rows, and the groups' sizes."""
    named = groups.unique(maintain_order=True)
    codes = groups.replace_strict(named, range(len(named)), return_dtype=pl.Int64).to_numpy()
    return codes, np.bincount(codes, minlength=len(named))


def bound_together(rows: pl.DataFrame) -> NDArray[np.int64]:
    """A number for each row (n,), the same for rows that a group or a chain of copies joins."""
    from scipy.sparse import coo_matrix, csgraph

    count, places = len(rows), np.arange(len(rows))
    groups, sizes = group_codes(groups_of(rows))
    edges = np.concatenate([count + groups, _originals(rows)])
    width = count + len(sizes)
    graph = coo_matrix((np.ones(2 * count), (np.tile(places, 2), edges)), shape=(width, width))
    _, parts = csgraph.connected_components(graph, directed=False)
    # Numbered by their first row, so that no library decides on an order.
    _, first, codes = np.unique(parts[:count], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def _originals(rows: pl.DataFrame) -> NDArray[np.intp]:
    """The place of the row that each row is a copy of (n,).

    Copies of one that is not here belong to the first of them; a row that is none is its own.
    """
    if "duplicate_of" not in rows.columns:
        return np.arange(len(rows))
    first: dict[str, int] = {row_id: i for i, row_id in enumerate(rows["row_id"])}
    found = [
        i if original is None else first.setdefault(original, i)
        for i, original in enumerate(rows["duplicate_of"])
    ]
    return np.array(found, dtype=np.intp)


def _deal_groups(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Groups dealt to folds, the largest first, each to the fold of fewest rows."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold = np.zeros(folds), np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold[group] = int(filled.argmin())
        filled[fold[group]] += sizes[group]
    return fold[groups]
