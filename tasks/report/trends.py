"""How the window went: rows, label, topics and unusual rows over time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.mine.topics.report.cards import bursts_of
from fusemine.tasks.mine.topics.report.themes import palette
from fusemine.tasks.report.facts import classes, is_number, numbers, positive, ranked, rate_name
from fusemine.tasks.report.model import ReportInputs, Series, Skipped, Trends
from fusemine.tasks.report.rates import share_bounds
from fusemine.tasks.report.timeline import Timeline, timeline
from fusemine.tasks.report.words import cut, finite, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

FINE, COARSE, TOPICS, CLASSES = 120, 24, 6, 3


def trends(inputs: ReportInputs, rows: pl.DataFrame) -> Trends | Skipped:
    """Count rows, label, topics and flagged rows per stretch of time."""
    fine, coarse = timeline(inputs, FINE), timeline(inputs, COARSE)
    if len(fine) < 2:
        return Skipped("There is only one partition, so nothing can be compared over time.")
    totals, shares = fine.counts(rows).tolist(), _topics(inputs, rows, coarse)
    flagged = rows["flagged"].null_count() < rows.height
    unusual = fine.counts(rows.filter("flagged")).tolist() if flagged else []
    return Trends(
        lead=_lead(fine, rows),
        remark=_remark(fine, coarse, any(series.bursts for series in shares)),
        labels=fine.labels,
        coarse_labels=coarse.labels,
        rows=Series("rows", totals),
        anomalies=Series("flagged as unusual", unusual, colour=1) if flagged else None,
        rates=[] if is_number(inputs) else _rates(inputs, rows, coarse),
        mean=_mean(inputs, rows, coarse) if is_number(inputs) else None,
        topics=shares,
    )


def _rates(inputs: ReportInputs, rows: pl.DataFrame, line: Timeline) -> list[Series]:
    labelled = rows.filter(pl.col("label").is_not_null())
    followed = positive(inputs)
    found = [name for name, _ in classes(rows["label"])[:CLASSES]]
    names = {followed: rate_name(inputs)} if followed else {n: f"labelled {cut(n)}" for n in found}
    return [
        _share(said, labelled.filter(pl.col("label") == name), labelled, line, 0)
        for name, said in names.items()
    ]


def _mean(inputs: ReportInputs, rows: pl.DataFrame, line: Timeline) -> Series | None:
    """The mean of the label per stretch, with 1.96 standard errors on either side.

    They are of the spread of all rows, because a stretch may hold a single one.
    """
    spread = finite(numbers(rows["label"]).std()) or 0.0
    parts = [numbers(part["label"]) for part in line.split(rows)]
    means = [finite(part.mean()) for part in parts]
    if all(value is None for value in means):
        return None
    errors = [1.96 * spread / math.sqrt(part.len() or 1) for part in parts]
    pairs = list(zip(means, errors, strict=True))
    return Series(
        rate_name(inputs),
        means,
        low=[None if value is None else value - error for value, error in pairs],
        high=[None if value is None else value + error for value, error in pairs],
    )


def _topics(inputs: ReportInputs, rows: pl.DataFrame, line: Timeline) -> list[Series]:
    largest = ranked(inputs.topics).filter(pl.col("topic") >= 0).head(TOPICS)
    hues, bursts = palette(inputs), bursts_of(inputs)
    found = []
    for topic, name in largest.select("topic", "name").iter_rows():
        series = _share(name, rows.filter(pl.col("topic") == topic), rows, line, hues.colour(topic))
        marked = line.marks(burst["partition"] for burst in bursts.get(topic, []))
        found.append(replace(series, bursts=marked))
    return found


def _share(name: str, part: pl.DataFrame, whole: pl.DataFrame, line: Timeline, hue: int) -> Series:
    pairs = list(zip(line.counts(part).tolist(), line.counts(whole).tolist(), strict=True))
    bounds = [share_bounds(hits, n) if n else (None, None) for hits, n in pairs]
    return Series(
        name,
        [hits / n if n else None for hits, n in pairs],
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        colour=hue,
        percent=True,
    )


def _lead(line: Timeline, rows: pl.DataFrame) -> str:
    counts: Sequence[int] = Timeline(line.partitions, 1).counts(rows).tolist()
    top = max(range(len(counts)), key=lambda i: counts[i])
    return (
        f"{plural(len(line), 'partition')} from {line.partitions[0]} to {line.partitions[-1]}; "
        f"{line.partitions[top]} has the most rows ({counts[top]:,})."
    )


def _remark(fine: Timeline, coarse: Timeline, bursts: bool) -> str:
    said = []
    if fine.each > 1:
        said.append(f"Counts are of {fine.each} partitions each.")
    if coarse.each > 1:
        said.append(f"Shares are of {coarse.each} partitions each")
        said.append("with their 95 % interval as a band.")
    else:
        said.append("The band around a share is its 95 % interval.")
    if bursts:
        said.append("A ring marks a burst: far more rows than the time before makes one expect.")
    return " ".join(said)
