"""The unusual rows in short: headline figure, a line, Markdown, and how many are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.report.facts import quoted, why_none
from fusemine.tasks.report.markdown import chapter, table
from fusemine.tasks.report.model import Figure, ReportInputs, Series, Skipped
from fusemine.tasks.report.timeline import FINE, timeline
from fusemine.tasks.report.words import count, cut, percent, plural, sentence
from fusemine.tasks.table.escaping import escape

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.report.model import Anomalies

LINES = 10
"""Rows of the table, besides the first new ones."""


def new_flagged(scores: pl.DataFrame) -> int:
    """How many rows of the newest partition are flagged."""
    return scores.filter(pl.col("new") & pl.col("flagged")).height


def figures(inputs: ReportInputs) -> list[Figure]:
    """How many rows are flagged."""
    scores = inputs.table("anomalies")
    if scores is None or not scores.height:
        return []
    flagged, new = int(scores["flagged"].sum()), new_flagged(scores)
    words = [percent(flagged / scores.height), f"{count(new)} new" if new else ""]
    return [Figure("unusual rows", count(flagged), ", ".join(filter(None, words)))]


def finding(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    """The line of the report in short."""
    scores = inputs.table("anomalies")
    if scores is None or not scores.height:
        return f"Unusual rows: none; {why_none(inputs.summary('anomalies'))}"
    flagged, new, first = int(scores["flagged"].sum()), new_flagged(scores), _first(scores, rows)
    if not flagged:
        none = f"none of {plural(scores.height, 'row')} is flagged"
        return sentence(f"Unusual rows: {none}; the least usual is {first}")
    fresh = f", {count(new)} of them new" if new else ""
    return sentence(f"Unusual rows: {count(flagged)} flagged{fresh}; the first is {first}")


def counts(inputs: ReportInputs, rows: pl.DataFrame) -> list[Series]:
    """The flagged rows over time."""
    if rows["flagged"].null_count() == rows.height:
        return []
    flagged = timeline(inputs, FINE).counts(rows.filter("flagged"))
    return [Series("flagged as unusual", flagged.tolist(), colour=1)]


def summary(section: Anomalies | Skipped) -> str:
    """The chapter of the Markdown summary."""
    title = "Unusual rows"
    if isinstance(section, Skipped):
        return chapter(title, escape(section.lead))
    cards = [*section.newest, *[*section.shown, *section.folded][:LINES]]
    marks = bool(section.flagged)
    rows = [
        (
            card.rank,
            card.rarity,
            *(["yes" if card.flagged else ""] if marks else []),
            f"{card.quote.row_id} (new)" if card.new else card.quote.row_id,
            card.quote.text[:160],
            card.reason,
        )
        for card in cards
    ]
    header = ("rank", "as rare as", *(["flagged"] if marks else []), "row", "text", "reason")
    written = table(header, rows, words=len(header))
    return chapter(title, escape(section.lead), escape(section.threshold), written)


def _first(scores: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The least usual row, with its reason or else its text."""
    top = scores.sort("rank").row(0, named=True)
    text = quoted(rows, [top["row_id"]], 70).get(top["row_id"])
    said = cut(top["reason"] or "", 140) or (f"“{text}”" if text else "")
    return f"row {cut(top['row_id'], 40)}" + (f": {said}" if said else "")
