"""Choosing rows: folds that are even by label and keep groups whole, and evenly spaced samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Target


def assign_folds(target: Target, rows: pl.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row (n,): a group, and a row with its copies, is in one fold.

    Args:
        target: The label of the n rows.
        rows: The rows; their columns `group` and `duplicate_of`, if any, name what stays together.
        folds: How many folds.
        seed: Seed of the random numbers.
    """
    if "group" in rows.columns:
        return _group_folds(linked_rows(rows), folds, seed)
    return with_duplicates(stratified_folds(strata(target), folds, seed), rows)


def stratified_folds(codes: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each row (n,), the rows of every class spread evenly and at random.

    As the classes are dealt out one after the other, no class is too small for it, and a class
    of two rows or more is in the training part of every fold.

    Args:
        codes: (n,) the class of each row.
        folds: How many folds.
        seed: Seed of the random numbers.

    >>> np.bincount(stratified_folds(np.array([0, 0, 0, 0, 1, 1]), 2, seed=0))
    array([3, 3])
    """
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % folds
    return fold


def with_duplicates(fold: NDArray[np.int64], rows: pl.DataFrame) -> NDArray[np.int64]:
    """Move exact duplicates into the fold of their original: apart, one would give away the other.

    Args:
        fold: (n,) the fold of each row.
        rows: The n rows.
    """
    return fold[_originals(rows)]


def strata(target: Target) -> NDArray[np.int64]:
    """What folds are stratified by (n,): the class of each row, or the fifth its number is in."""
    if not target.is_number:
        return np.asarray(target.values)
    edges = np.quantile(target.values, [0.2, 0.4, 0.6, 0.8]) if len(target) else np.zeros(0)
    return np.searchsorted(edges, target.values)


def group_ids(clean: pl.DataFrame) -> pl.Series:
    """The group of each row; a row without one is a group of its own."""
    alone = pl.concat_str(pl.lit("row "), pl.col("row_id"))
    named = pl.concat_str(pl.lit("group "), pl.col("group"))
    return clean.select(pl.coalesce(named, alone)).to_series()


def group_codes(groups: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of each row's group, in the order of their first rows, and the groups' sizes."""
    named = groups.unique(maintain_order=True)
    codes = groups.replace_strict(named, range(len(named)), return_dtype=pl.Int64).to_numpy()
    return codes, np.bincount(codes, minlength=len(named))


def linked_rows(rows: pl.DataFrame) -> NDArray[np.int64]:
    """A number for each row (n,), the same for rows that a group or a chain of copies joins."""
    from scipy.sparse import coo_matrix, csgraph

    count, places = len(rows), np.arange(len(rows))
    groups, sizes = group_codes(group_ids(rows))
    edges = np.concatenate([count + groups, _originals(rows)])
    width = count + len(sizes)
    graph = coo_matrix((np.ones(2 * count), (np.tile(places, 2), edges)), shape=(width, width))
    _, parts = csgraph.connected_components(graph, directed=False)
    # Components are numbered by their first row, so that no library decides on an order.
    _, first, codes = np.unique(parts[:count], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def _originals(rows: pl.DataFrame) -> NDArray[np.intp]:
    """The place of the row that each row is a copy of (n,).

    Copies of a row that is not here belong to the first of them; a row that is no copy is its own.
    """
    if "duplicate_of" not in rows.columns:
        return np.arange(len(rows))
    first: dict[str, int] = {row_id: i for i, row_id in enumerate(rows["row_id"])}
    found = [
        i if original is None else first.setdefault(original, i)
        for i, original in enumerate(rows["duplicate_of"])
    ]
    return np.array(found, dtype=np.intp)


def _group_folds(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row: groups are placed largest first, each in the fold of fewest rows."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold = np.zeros(folds), np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold[group] = int(filled.argmin())
        filled[fold[group]] += sizes[group]
    return fold[groups]


def evenly_spaced(rows: int, most: int) -> NDArray[np.intp]:
    """Positions of at most so many of the rows, evenly spread and in their order.

    >>> evenly_spaced(10, 4)
    array([0, 2, 5, 7])
    """
    count = min(rows, most)
    return np.arange(count, dtype=np.intp) * rows // max(count, 1)
