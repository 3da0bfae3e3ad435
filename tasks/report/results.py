"""The table of results: what the stages found for each row, then the source's own columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.core.contract import Contract
from fusemine.tasks.report.contracts import RESULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.core.contract import Column


def results(
    raw: pl.DataFrame,
    clean: pl.DataFrame,
    parts: Sequence[pl.DataFrame],
    columns: Mapping[str, Column],
) -> pl.DataFrame:
    """One row per cleaned row, in their order, by the contract `results`.

    A result that no part has gives no column: what scores a file knows only some stages. A
    source's own column whose name is also that of a result gets an underscore behind it.

    Args:
        raw: The source's own columns, by the contract `raw`.
        clean: The cleaned rows.
        parts: What each stage adds: `row_id`, and some of `columns`.
        columns: What all stages add, in order.
    """
    found = frozenset(name for part in parts for name in part.columns)
    contract = {**RESULTS.columns, **{n: c for n, c in columns.items() if n in found}}
    own, names = raw.drop("source"), list(contract)
    ours = frozenset([*names, *columns]) - {"row_id", "partition"}
    own = own.rename({name: stored_name(name, ours) for name in own.columns})
    table = clean.select("row_id", "partition", "label")
    for part in parts:
        table = table.join(part, on="row_id", how="left", maintain_order="left")
    table = table.join(own, on=["row_id", "partition"], how="left", maintain_order="left")
    types = pl.DataFrame(Contract("results", contract).empty()).schema
    return table.select(
        *(pl.col(name).cast(types[name]) for name in names),
        *(pl.col(name) for name in own.columns if name not in names),
    )
