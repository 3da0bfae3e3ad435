"""Rows whose label may be wrong: how many there may be, and the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.classify.report.metrics import is_of_numbers
from fusemine.tasks.mine.classify.report.model import LabelError, LabelErrors
from fusemine.tasks.report.model import Quote, ReportInputs, Summary
from fusemine.tasks.report.words import capital, count, cut, finite, listed, named, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN, COPIES = 8, 2
"""Rows shown, and how many of them are copies where there are any."""
MANY = 0.2
"""From this share on the estimate is about the model more than about the labels."""
COPY = "copy with another label"


def label_errors(inputs: ReportInputs, rows: pl.DataFrame, summary: Summary) -> LabelErrors | None:
    """The section; None where the labels were not audited."""
    figures = summary.get("doubts")
    if figures is None:
        return None
    table = inputs.table("classify", "doubts")
    chosen = [] if table is None else _chosen(table, rows)
    return LabelErrors(
        lead=_lead(figures, summary),
        rows=[_label_error(row, is_of_numbers(summary)) for row in chosen],
        more=(0 if table is None else table.height) - len(chosen),
    )


def _lead(figures: Mapping[str, Any], summary: Summary) -> str:
    counts = summary.get("rows") or {}
    labelled = sum(int(counts.get(part) or 0) for part in ("train", "test"))
    errors = int(finite(figures.get("estimated")) or 0)
    of = f" of {count(labelled)}" if labelled else ""
    copies = _copies(figures)
    also = f" {capital(copies)}." if copies else ""
    if not errors:
        return f"No label{of} is contradicted firmly enough to be called an error.{also}"
    share = f" ({percent(errors / labelled)})" if labelled else ""
    hard = ""
    if labelled and errors / labelled >= MANY:
        hard = " So many mean that classes are hard to tell apart, more than that labels are wrong."
    return (
        f"By estimate {count(errors)}{of} labels{share} may be wrong, counting rows that are "
        f"merely hard to tell; rather too many than too few.{hard}{also}"
    )


def _copies(figures: Mapping[str, Any]) -> str:
    same, near = (int(finite(figures.get(name)) or 0) for name in ("same_text", "near_copies"))
    texts = f"{plural(same, 'row has', 'rows have')} the text of a row with another label"
    copies = f"{plural(near, 'row is', 'rows are')} nearly a copy of one"
    return listed([text for rows, text in ((same, texts), (near, copies)) if rows])


def _chosen(table: pl.DataFrame, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """The first rows by rank, with room for a few copies, which come after all likely errors."""
    order = table.sort("rank").unique("row_id", keep="first", maintain_order=True)
    copies, errors = order.filter(pl.col("kind") == COPY), order.filter(pl.col("kind") != COPY)
    errors = errors.head(SHOWN - copies.head(COPIES).height)
    facts = rows.select("row_id", "partition", "text")
    chosen = pl.concat([errors, copies.head(SHOWN - errors.height)])
    chosen = chosen.join(facts, on="row_id", how="left", maintain_order="left")
    return list(chosen.iter_rows(named=True))


def _label_error(row: Mapping[str, Any], numbers: bool) -> LabelError:
    text, suggested = f"labelled {named(row['label'], numbers)}", row["suggested"]
    if row["kind"] == COPY:
        alike = f"{percent(row['confidence'])} like row {cut(row['alike'] or '', 60)}"
        text += f"; {alike}, which is labelled {named(suggested, numbers)}"
    elif suggested is not None:
        text += f", {'predicted' if numbers else 'rather'} {named(suggested, numbers)}"
    return LabelError(
        quote=Quote(
            row_id=cut(row["row_id"], 60),
            partition=cut(row["partition"] or "", 40),
            text=cut(row["text"] or "", 240),
        ),
        kind=cut(row["kind"], 60),
        text=text,
    )
