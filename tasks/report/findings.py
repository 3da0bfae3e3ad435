"""The report in short: headline figures, and five lines that say what was found."""

from __future__ import annotations

import polars as pl

from fusemine.tasks.collect.report import totals
from fusemine.tasks.mine.anomalies.report.section import new_flagged
from fusemine.tasks.mine.classify.report.cautions import leak_words
from fusemine.tasks.mine.classify.report.metrics import (
    best_single,
    change_words,
    estimate,
    leading,
    main_view,
    metric_name,
)
from fusemine.tasks.mine.topics.report.cards import bursts_of
from fusemine.tasks.mine.topics.report.changes import ANEW, counted
from fusemine.tasks.mine.topics.report.themes import has_themes, ranked_themes
from fusemine.tasks.report.facts import (
    classes,
    is_number,
    mean,
    numbers,
    positive,
    quoted,
    ranked,
    rate_name,
)
from fusemine.tasks.report.model import Figure, ReportInputs, Summary
from fusemine.tasks.report.rates import rate
from fusemine.tasks.report.words import (
    amount,
    count,
    cut,
    finite,
    known,
    listed,
    number,
    percent,
    plural,
    sentence,
)
from fusemine.tasks.serving.monitor.report.since import ID, attention

ENOUGH, FEW = 20, 5
"""Rows below which a partition, and a topic in it, say nothing about shares."""

_SOURCES = {
    "chosen": "the chosen model",
    "both": "table and text",
    "table": "the table",
    "text": "the text",
}


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
        _label_line(inputs.classification) + _in_use(inputs),
        _topics_line(inputs),
        _anomaly_line(inputs, rows),
        _partition_line(inputs, rows),
    ]


def _label_figure(inputs: ReportInputs, rows: pl.DataFrame) -> Figure | None:
    if is_number(inputs):
        return _mean_figure(inputs, rows)
    found = classes(rows["label"])
    if not found:
        return None
    share, name = rate(rows, positive(inputs)), cut(inputs.label_name or "", 60)
    if share is None:
        commonest = f"commonest: {cut(found[0][0], 30)}"
        return Figure("classes of the label", count(len(found)), name or commonest)
    return Figure("label rate", percent(share), name)


def _mean_figure(inputs: ReportInputs, rows: pl.DataFrame) -> Figure | None:
    values = numbers(rows["label"])
    if not values.len():
        return None
    ends = f"{amount(finite(values.min()))} to {amount(finite(values.max()))}"
    return Figure(rate_name(inputs), amount(mean(rows["label"])), ends)


def _quality(inputs: ReportInputs) -> list[Figure]:
    summary = inputs.classification or {}
    view, metric = main_view(summary), leading(summary)
    main = estimate(summary, view, metric)
    gain = summary.get("gain") or {}
    found = []
    if main.value is not None:
        words = [_SOURCES.get(view, view), main.bounds, leak_words(summary)]
        found.append(Figure(metric_name(metric), main.said, ", ".join(filter(None, words))))
    if finite(gain.get("value")) is not None:
        low, high = (gain.get("interval") or (None, None))[:2]
        ends = f"{change_words(low, metric)} to {change_words(high, metric)}" if known(low) else ""
        over = f"over {cut(gain.get('over') or 'the best view', 30)} alone"
        value = change_words(gain["value"], metric)
        found.append(Figure("gain of fusion", value, ", ".join(filter(None, [over, ends]))))
    return found


def _mined(inputs: ReportInputs) -> list[Figure]:
    found = []
    topics = _real_topics(inputs)
    if topics.height:
        found.append(Figure("topics", count(topics.height), _largest(inputs, topics)))
    if inputs.anomalies is not None and inputs.anomalies.height:
        flagged, rows = int(inputs.anomalies["flagged"].sum()), inputs.anomalies.height
        new = new_flagged(inputs.anomalies)
        words = [percent(flagged / rows), f"{count(new)} new" if new else ""]
        found.append(Figure("unusual rows", count(flagged), ", ".join(filter(None, words))))
    return found


def _largest(inputs: ReportInputs, topics: pl.DataFrame) -> str:
    if not has_themes(inputs):
        return f"largest {_share(topics)}"
    themes = ranked_themes(inputs)
    return f"in {plural(themes.height, 'theme')}, the largest {_share(themes)}"


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
    leak = leak_words(summary)
    return (
        f"Label: {leak}, so this says little: {_score(summary)}"
        if leak
        else (f"Label: {_score(summary)}")
    )


def _in_use(inputs: ReportInputs) -> str:
    """What the model in use needs looking at for, if anything."""
    said = attention(inputs)
    model = cut((inputs.watching or {}).get("model") or "", ID)
    return f" In use before this run was {model}: {'; '.join(said)}." if said else ""


def _score(summary: Summary) -> str:
    """The main view's leading metric, and what table or text alone get."""
    view, metric = main_view(summary), leading(summary)
    source = _SOURCES.get(view, view)
    main, single = estimate(summary, view, metric), best_single(summary)
    if main.value is None:
        balanced = estimate(summary, view, "balanced_accuracy")
        return f"balanced accuracy {number(balanced.value)} from {source}."
    bounds = f" ({main.bounds})" if main.bounds else ""
    said = f"{metric_name(metric)} {main.said}{bounds} from {source}"
    if view not in {"both", "chosen"} or single.value is None:
        return f"{said}."
    alone = f", {single.said} from {single.name} alone"
    return f"{said}{alone}{_gain(summary.get('gain') or {}, metric)}."


def _gain(gain: Summary, metric: str) -> str:
    low, high = (gain.get("interval") or (None, None))[:2]
    if not (known(low) and known(high)):
        return ""
    bounds = f"{change_words(low, metric)} to {change_words(high, metric)}"
    value = f"gain of both {change_words(finite(gain.get('value')), metric)} ({bounds})"
    return f"; {value}, which may be chance" if low <= 0 <= high else f"; {value}"


def _topics_line(inputs: ReportInputs) -> str:
    topics = _real_topics(inputs)
    if not topics.height:
        return f"Topics: none; {_why(inputs.clustering)}"
    within, largest = "", topics.row(0, named=True)
    if has_themes(inputs):
        themes = ranked_themes(inputs)
        within, largest = f" in {plural(themes.height, 'theme')}", themes.row(0, named=True)
    rows = f"{plural(largest['rows'], 'row')}, {percent(largest['share'])}"
    said = f"the largest {'theme ' if within else ''}is “{cut(largest['name'], 60)}” ({rows})"
    return f"Topics: {count(topics.height)}{within}; {said}{_changed(inputs)}."


def _changed(inputs: ReportInputs) -> str:
    """What the run's own partition changed among the topics."""
    if inputs.events is None:
        return ""
    own = inputs.events.filter(pl.col("partition") == inputs.partition, pl.col("kind") != ANEW)
    return f"; in {cut(inputs.partition, 40)}: {counted(own['kind'])}" if own.height else ""


def _why(summary: Summary | None) -> str:
    """Why a miner has no results."""
    reason = "it was not part of this run" if summary is None else "there were no rows to work on"
    return sentence(cut((summary or {}).get("skipped") or reason, 160))


def _anomaly_line(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    found = inputs.anomalies
    if found is None or not found.height:
        return f"Unusual rows: none; {_why(inputs.anomaly)}"
    top = found.sort("rank").row(0, named=True)
    text = quoted(rows, [top["row_id"]], 70).get(top["row_id"])
    said = cut(top["reason"] or "", 140) or (f"“{text}”" if text else "")
    first = f"row {cut(top['row_id'], 40)}" + (f": {said}" if said else "")
    flagged, new = int(found["flagged"].sum()), new_flagged(found)
    if not flagged:
        none = f"none of {plural(found.height, 'row')} is flagged"
        return sentence(f"Unusual rows: {none}; the least usual is {first}")
    fresh = f", {count(new)} of them new" if new else ""
    return sentence(f"Unusual rows: {count(flagged)} flagged{fresh}; the first is {first}")


def _partition_line(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    """The run's own partition beside the window: rows, label rate, and the topic that grew."""
    own = rows.filter(pl.col("partition") == inputs.partition)
    said = f"{cut(inputs.partition, 40)}: {plural(own.height, 'row')}"
    if own.height == rows.height:
        return sentence(said)
    if own.height < ENOUGH:
        return f"{said}, too few to set against the window."
    stands_out = _bursting(inputs) or _grown(inputs, own)
    return sentence(said + _followed(inputs, own, rows) + stands_out)


def _followed(inputs: ReportInputs, own: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The rate or the mean of the label here and in the window."""
    if is_number(inputs):
        means = mean(own["label"]), mean(rows["label"])
        return _beside(rate_name(inputs), *(None if m is None else amount(m) for m in means))
    rates = rate(own, positive(inputs)), rate(rows, positive(inputs))
    return _beside("label rate", *(None if r is None else percent(r) for r in rates))


def _beside(name: str, here: str | None, overall: str | None) -> str:
    if here is None or overall is None:
        return ""
    return f", {name} {here} against {overall} in the window"


def _bursting(inputs: ReportInputs) -> str:
    """The topics that burst in the run's own partition."""
    names = dict(_real_topics(inputs).select("topic", "name").iter_rows())
    found = [
        f"“{cut(names[topic], 50)}” ({plural(burst['rows'], 'row')}, {count(burst['expected'])} "
        "expected)"
        for topic, bursts in bursts_of(inputs).items()
        for burst in bursts
        if burst["partition"] == inputs.partition and topic in names
    ]
    return f"; far more than expected is of {listed(found, 2)}" if found else ""


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
