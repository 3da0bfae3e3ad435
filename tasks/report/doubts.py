"""Rows whose label the model disputes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.contracts import PROBABILITY
from tasks.report.model import Quote
from tasks.report.words import cut, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

DOUBTS = 4


def doubts(
    predictions: pl.DataFrame, rows: pl.DataFrame, names: list[str]
) -> list[tuple[str, list[Quote]]]:
    """Rows whose label the model most firmly disputes, a few of each of the commonest classes."""
    wrong = predictions.filter(pl.col("label") != pl.col("prediction")).select(
        "row_id", "prediction", _certainty(predictions).alias("certainty")
    )
    joined = rows.join(wrong, on="row_id", how="inner").filter("has_text")
    order = joined.sort(["certainty", "order"], descending=[True, False], nulls_last=True)
    distinct = order.unique("text", keep="first", maintain_order=True)
    chosen = {name: distinct.filter(pl.col("label") == name).head(DOUBTS) for name in names[:2]}
    return [
        (f"Labelled {cut(name, 60)}", [_doubt(row) for row in part.iter_rows(named=True)])
        for name, part in chosen.items()
        if part.height
    ]


def _certainty(predictions: pl.DataFrame) -> pl.Expr:
    columns = [c for c in predictions.columns if c.startswith(PROBABILITY)][:50]
    guess = pl.col("prediction")
    own = [pl.when(guess == c.removeprefix(PROBABILITY)).then(pl.col(c)) for c in columns]
    return pl.coalesce(*own, "probability")


def _doubt(row: Mapping[str, Any]) -> Quote:
    return Quote(
        row_id=cut(row["row_id"], 60),
        partition=cut(row["partition"], 40),
        text=cut(row["text"], 240),
        label=f"predicted {cut(row['prediction'], 60)} with {percent(row['certainty'])}",
    )
