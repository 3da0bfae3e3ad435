"""Rows whose label is doubtful: how many there may be, and the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.classify.report.metrics import is_of_numbers
from fusemine.tasks.mine.classify.report.model import Doubt, Doubts
from fusemine.tasks.report.model import Quote, ReportInputs, Summary
from fusemine.tasks.report.words import count, cut, finite, listed, named, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN, COPIES = 8, 2
"""Rows shown, and how many of them are copies where there are any."""
MANY = 0.2
"""From this share on the estimate is about the model more than about the labels."""
COPY = "copy with another label"


def doubts(inputs: ReportInputs, rows: pl.DataFrame, summary: Summary) -> Doubts | None:
    """The section; None where nobody looked for doubtful labels."""
    figures = summary.get("doubts")
    if figures is None:
        return None
    table = inputs.table("classify", "doubts")
    chosen = [] if table is None else _chosen(table, rows)
    height = 0 if table is None else table.height
    return Doubts(
        lead=_lead(figures, summary),
        rows=[_doubt(row, is_of_numbers(summary)) for row in chosen],
        more=height - len(chosen),
    )


def _lead(figures: Mapping[str, Any], summary: Summary) -> str:
    counts = summary.get("rows") or {}
    labelled = sum(int(counts.get(part) or 0) for part in ("train", "test"))
    errors = int(finite(figures.get("estimated")) or 0)
    of = f" of {count(labelled)}" if labelled else ""
    copies = _copies(figures)
    also = f" {copies[:1].upper()}{copies[1:]}." if copies else ""
    if not errors:
        return f"No label{of} is contradicted firmly enough to be called an error.{also}"
    share = f" ({percent(errors / labelled)})" if labelled else ""
    hard = ""
    if labelled and errors / labelled >= MANY:
        hard = " So many say less of the labels than of the classes, which are hard to tell apart."
    return (
        f"By estimate {count(errors)}{of} labels{share} may be wrong, counting rows that are "
        f"merely hard to tell; rather too many than too few.{hard}{also}"
    )


def _copies(figures: Mapping[str, Any]) -> str:
    same, near = (int(finite(figures.get(name)) or 0) for name in ("same_text", "near_copies"))
    texts = f"{plural(same, 'row has', 'rows have')} the text of a row with another label"
    copies = f"{plural(near, 'row is', 'rows are')} nearly a copy of one"
    return listed([said for rows, said in ((same, texts), (near, copies)) if rows])


def _chosen(table: pl.DataFrame, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """The first rows by rank, with room for a few copies, which come after all likely errors."""
    order = table.sort("rank").unique("row_id", keep="first", maintain_order=True)
    copies = order.filter(pl.col("kind") == COPY).head(COPIES)
    errors = order.filter(pl.col("kind") != COPY).head(SHOWN - copies.height)
    more = order.filter(pl.col("kind") == COPY).head(SHOWN - errors.height)
    facts = rows.select("row_id", "partition", "text")
    chosen = pl.concat([errors, more]).join(facts, on="row_id", how="left", maintain_order="left")
    return list(chosen.iter_rows(named=True))


def _doubt(row: Mapping[str, Any], numbers: bool) -> Doubt:
    said = f"labelled {named(row['label'], numbers)}"
    suggested = row["suggested"]
    if row["kind"] == COPY:
        alike = f"{percent(row['confidence'])} like row {cut(row['alike'] or '', 60)}"
        said += f"; {alike}, which is labelled {named(suggested, numbers)}"
    elif suggested is not None:
        said += f", {'foretold' if numbers else 'rather'} {named(suggested, numbers)}"
    return Doubt(
        quote=Quote(
            row_id=cut(row["row_id"], 60),
            partition=cut(row["partition"] or "", 40),
            text=cut(row["text"] or "", 240),
        ),
        kind=cut(row["kind"], 60),
        said=said,
    )
