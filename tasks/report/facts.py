"""The stages' facts on each row in one frame, and the reasons why a stage has no results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.stage import load
from fusemine.tasks.report.words import cut, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.report.model import ReportInputs, Summary


def facts(inputs: ReportInputs, graph: Graph) -> pl.DataFrame:
    """The clean rows in their order, with the facts of all stages; null where a row has none."""
    columns = ("row_id", "partition", "text", "has_text", "label", "duplicate_of")
    rows = inputs.clean.select(columns).with_row_index("order")
    for stage in graph:
        if stage.facts:
            found = load(stage.facts)(inputs)
            rows = rows.join(found, on="row_id", how="left", maintain_order="left")
    return rows


def columns(table: pl.DataFrame | None, types: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """`row_id` and some columns of a table, of these types; no rows where there is no table."""
    if table is None:
        return pl.DataFrame(schema={"row_id": pl.String, **types})
    return table.select("row_id", *(pl.col(name).cast(dtype) for name, dtype in types.items()))


def quoted(rows: pl.DataFrame, ids: Iterable[str], limit: int) -> dict[str, str]:
    """The texts of some rows, cut, by the rows' ids; rows without text are not among them."""
    found = rows.filter(pl.col("row_id").is_in(list(ids))).select("row_id", "text")
    return {row_id: cut(text, limit) for row_id, text in found.iter_rows() if text}


def why_missing(inputs: ReportInputs, stage: str, name: str) -> str:
    """The sentence that gives the reason why a stage has no results, or nothing.

    Args:
        inputs: The run.
        stage: The stage.
        name: What a reader calls its work.
    """
    summary, rows = inputs.summary(stage), inputs.table(stage)
    if summary is not None and summary.get("skipped"):
        return sentence(f"{name} was skipped: {cut(summary['skipped'], 400)}")
    if summary is None or rows is None:
        return f"{name} was not part of this run."
    return "" if rows.height else f"{name} had no rows to work on."


def short_reason(summary: Summary | None) -> str:
    """The same for a line of the report in short."""
    reason = "it was not part of this run" if summary is None else "there were no rows to work on"
    return sentence(cut((summary or {}).get("skipped") or reason, 160))


def method(summary: Summary) -> str:
    """How a stage worked, as its summary describes it."""
    return sentence(cut(summary["method"], 300)) if summary.get("method") else ""
