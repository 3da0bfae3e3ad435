"""The report in short: headline figures, and five lines that say what was found."""

from __future__ import annotations

import polars as pl

from tasks.report.facts import classes, positive, ranked
from tasks.report.intake import totals
from tasks.report.label import best_single, estimate
from tasks.report.model import Figure, ReportInputs, Summary
from tasks.report.topics import rate
from tasks.report.words import (
    count,
    cut,
    finite,
    interval,
    known,
    number,
    percent,
    plural,
    sentence,
    signed,
)

ENOUGH, FEW = 20, 5
"""Rows below which a partition, and a topic in it, say nothing about shares."""

_SOURCES = {"both": "table and text", "table": "the table", "text": "the text"}


def figures(inputs: ReportInputs, rows: pl.DataFrame) -> list[Figure]:
    """The headline figures, those of absent miners left out."""
    came, kept, rejected, unassigned = totals(inputs)
    placed = f"{count(unassigned)} more without a partition" if unassigned else ""
    found = [
        Figure("rows in", count(came), plural(len(inputs.partitions), "partition")),
        Figure("rows kept", count(kept), percent(kept / came) if came else ""),
        Figure("rows rejected", count(rejected), placed),
        _label_figure(inputs, rows),
        *_quality(inputs),
        *_mined(inputs),
    ]
    return [figure for figure in found if figure is not None]


def findings(inputs: ReportInputs, rows: pl.DataFrame) -> list[str]:
    """Five lines: rows, label, topics, unusual rows, the partition of this run."""
    return [
        _rows_line(inputs),
        _label_line(inputs.classification),
        _topics_line(inputs),
        _anomaly_line(inputs, rows),
        _partition_line(inputs, rows),
    ]


def _label_figure(inputs: ReportInputs, rows: pl.DataFrame) -> Figure | None:
    found = classes(rows["label"])
    if not found:
        return None
    share, name = rate(rows, positive(inputs)), cut(inputs.label_name or "", 60)
    if share is None:
        commonest = f"commonest: {cut(found[0][0], 30)}"
        return Figure("classes of the label", count(len(found)), name or commonest)
    return Figure("label rate", percent(share), name)


def _quality(inputs: ReportInputs) -> list[Figure]:
    summary = inputs.classification or {}
    view = str(summary.get("main") or "both")
    main = estimate(summary, view, "average_precision")
    gain = summary.get("gain") or {}
    found = []
    if main.value is not None:
        words = filter(None, [_SOURCES.get(view, view), interval(main.low, main.high)])
        found.append(Figure("average precision", number(main.value), ", ".join(words)))
    if finite(gain.get("value")) is not None:
        low, high = (gain.get("interval") or (None, None))[:2]
        ends = f", {signed(low)} to {signed(high)}" if finite(low) is not None else ""
        over = f"over {cut(gain.get('over') or 'the best view', 30)} alone{ends}"
        found.append(Figure("gain of fusion", signed(gain["value"]), over))
    return found


def _mined(inputs: ReportInputs) -> list[Figure]:
    found = []
    topics = _real_topics(inputs)
    if topics.height:
        found.append(Figure("topics", count(topics.height), f"largest {_share(topics)}"))
    if inputs.anomalies is not None and inputs.anomalies.height:
        flagged, rows = int(inputs.anomalies["flagged"].sum()), inputs.anomalies.height
        found.append(Figure("unusual rows", count(flagged), percent(flagged / rows)))
    return found


def _real_topics(inputs: ReportInputs) -> pl.DataFrame:
    return ranked(inputs.topics).filter(pl.col("topic") >= 0)


def _share(topics: pl.DataFrame) -> str:
    return percent(topics["share"][0])


def _rows_line(inputs: ReportInputs) -> str:
    came, kept, rejected, unassigned = totals(inputs)
    said = f"Rows: {count(came)} in, {count(kept)} kept, {count(rejected)} rejected"
    return f"{said}, {count(unassigned)} without a partition." if unassigned else f"{said}."


def _label_line(summary: Summary | None) -> str:
    if summary is None or summary.get("skipped"):
        return f"Label: not learnt; {_why(summary)}"
    view = str(summary.get("main") or "both")
    source = _SOURCES.get(view, view)
    main, single = estimate(summary, view, "average_precision"), best_single(summary)
    if main.value is None:
        balanced = estimate(summary, view, "balanced_accuracy")
        return f"Label: balanced accuracy {number(balanced.value)} from {source}."
    bounds = interval(main.low, main.high)
    said = f"Label: average precision {number(main.value)}" + (f" ({bounds})" if bounds else "")
    if view != "both" or single.value is None:
        return f"{said} from {source}."
    alone = f"{said} from {source}, {number(single.value)} from {single.name} alone"
    return f"{alone}{_gain(summary.get('gain') or {})}."


def _gain(gain: Summary) -> str:
    low, high = (gain.get("interval") or (None, None))[:2]
    if not (known(low) and known(high)):
        return ""
    bounds = f"{signed(low)} to {signed(high)}"
    value = f"gain {signed(finite(gain.get('value')))} ({bounds})"
    return f"; {value}, which may be chance" if low <= 0 <= high else f"; {value}"


def _topics_line(inputs: ReportInputs) -> str:
    topics = _real_topics(inputs)
    if not topics.height:
        return f"Topics: none; {_why(inputs.clustering)}"
    name, rows = cut(topics["name"][0], 60), plural(topics["rows"][0], "row")
    largest = f"the largest is “{name}” ({rows}, {_share(topics)})"
    return f"Topics: {count(topics.height)}; {largest}."


def _why(summary: Summary | None) -> str:
    """Why a miner has no results."""
    reason = "it was not part of this run" if summary is None else "there were no rows to work on"
    return sentence(cut((summary or {}).get("skipped") or reason, 160))


def _anomaly_line(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    found = inputs.anomalies
    if found is None or not found.height:
        return f"Unusual rows: none; {_why(inputs.anomaly)}"
    top = found.sort("rank").row(0, named=True)
    text = rows.filter(pl.col("row_id") == top["row_id"])["text"]
    said = f"“{cut(text[0], 70)}”" if text.len() and text[0] else cut(top["reason"] or "", 70)
    flagged = count(int(found["flagged"].sum()))
    first = f"the first is row {cut(top['row_id'], 40)}" + (f": {said}" if said else "")
    return sentence(f"Unusual rows: {flagged} flagged; {first}")


def _partition_line(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    """The run's own partition beside the window: rows, label rate, and the topic that grew."""
    own = rows.filter(pl.col("partition") == inputs.partition)
    said = f"{cut(inputs.partition, 40)}: {plural(own.height, 'row')}"
    if own.height == rows.height:
        return sentence(said)
    if own.height < ENOUGH:
        return f"{said}, too few to set against the window."
    followed = positive(inputs)
    here, overall = rate(own, followed), rate(rows, followed)
    if here is not None and overall is not None:
        said += f", label rate {percent(here)} against {percent(overall)} in the window"
    return sentence(said + _grown(inputs, own))


def _grown(inputs: ReportInputs, own: pl.DataFrame) -> str:
    here = dict(own.group_by("topic").len().iter_rows())
    topics = _real_topics(inputs).select("topic", "name", "share")
    shares = [
        (here.get(topic, 0) / own.height, name, usual) for topic, name, usual in topics.rows()
    ]
    grown = [(now, name, usual) for now, name, usual in shares if now * own.height >= FEW]
    now, name, usual = max(grown, key=lambda g: g[0] - g[2], default=(0.0, "", 0.0))
    if now <= usual:
        return ""
    return (
        f"; most above its usual share is “{cut(name, 50)}” ({percent(now)}, else {percent(usual)})"
    )
