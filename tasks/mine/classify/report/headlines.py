"""The label in short: headline figures, a line, and the Markdown summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report.cautions import leak_text
from fusemine.tasks.mine.classify.report.metrics import (
    best_single,
    change_text,
    estimate,
    gain_bounds,
    leading,
    main_view,
    metric_name,
)
from fusemine.tasks.report.facts import short_reason
from fusemine.tasks.report.markdown import bullets, chapter, table
from fusemine.tasks.report.model import Figure, ReportInputs, Skipped, Summary
from fusemine.tasks.report.rates import classes, is_number, mean, numbers, positive, rate, rate_name
from fusemine.tasks.report.words import amount, count, cut, finite, number, percent
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.mine.classify.report.model import Ablation, Choice, Label, Notice

SENTENCES = 5
"""Sentences of a notice."""
_SOURCES = {
    "chosen": "the chosen model",
    "both": "table and text",
    "table": "the table",
    "text": "the text",
}


def figures(inputs: ReportInputs, rows: pl.DataFrame) -> list[Figure]:
    """The label's rate, mean or classes, how well it is learnt, and what fusion adds."""
    summary = inputs.summary("classify") or {}
    distribution = _mean if is_number(inputs) else _rate
    return [*distribution(inputs, rows), *_quality(summary), *_gained(summary)]


def finding(summary: Summary | None) -> str:
    """The line of the report in short."""
    if summary is None or summary.get("skipped"):
        return f"Label: not learnt; {short_reason(summary)}"
    leak = leak_text(summary)
    warning = f"{leak}, so this means little: " if leak else ""
    return f"Label: {warning}{_score(summary)}"


def summary(section: Label | Skipped) -> str:
    """The chapter of the Markdown summary."""
    title = "The label"
    if isinstance(section, Skipped):
        return chapter(title, escape_markdown(section.lead))
    errors = section.label_errors
    return chapter(
        title,
        *map(_notice, section.alarms),
        escape_markdown(section.lead),
        escape_markdown(section.gain),
        escape_markdown(section.note),
        *map(_notice, section.cautions),
        _metrics(section.ablation) if section.ablation else "",
        _tried(section.choice) if section.choice else "",
        f"Doubtful labels: {escape_markdown(errors.lead)}" if errors else "",
    )


def _rate(inputs: ReportInputs, rows: pl.DataFrame) -> list[Figure]:
    found, name = classes(rows["label"]), cut(inputs.label_name or "", 60)
    if not found:
        return []
    share = rate(rows, positive(inputs))
    if share is not None:
        return [Figure("label rate", percent(share), name)]
    commonest = f"commonest: {cut(found[0][0], 30)}"
    return [Figure("classes of the label", count(len(found)), name or commonest)]


def _mean(inputs: ReportInputs, rows: pl.DataFrame) -> list[Figure]:
    values = numbers(rows["label"])
    if not values.len():
        return []
    ends = f"{amount(finite(values.min()))} to {amount(finite(values.max()))}"
    return [Figure(rate_name(inputs), amount(mean(rows["label"])), ends)]


def _quality(summary: Summary) -> list[Figure]:
    view, metric = main_view(summary), leading(summary)
    main = estimate(summary, view, metric)
    if main.value is None:
        return []
    details = [_SOURCES.get(view, view), main.bounds, leak_text(summary)]
    return [Figure(metric_name(metric), main.text, ", ".join(filter(None, details)))]


def _gained(summary: Summary) -> list[Figure]:
    gain, metric = summary.get("gain") or {}, leading(summary)
    if finite(gain.get("value")) is None:
        return []
    over = f"over {cut(gain.get('over') or 'the best view', 30)} alone"
    details = ", ".join(filter(None, [over, gain_bounds(gain, metric)]))
    return [Figure("gain of fusion", change_text(gain["value"], metric), details)]


def _score(summary: Summary) -> str:
    """The main view's leading metric, and that of table or text alone."""
    view, metric = main_view(summary), leading(summary)
    source = _SOURCES.get(view, view)
    main, single = estimate(summary, view, metric), best_single(summary)
    if main.value is None:
        balanced = estimate(summary, view, "balanced_accuracy")
        return f"balanced accuracy {number(balanced.value)} from {source}."
    score = f"{metric_name(metric)} {main.full} from {source}"
    if view not in {"both", "chosen"} or single.value is None:
        return f"{score}."
    gain = _gain(summary.get("gain") or {}, metric)
    return f"{score}, {single.text} from {single.name} alone{gain}."


def _gain(gain: Summary, metric: str) -> str:
    bounds = gain_bounds(gain, metric)
    if not bounds:
        return ""
    low, high = gain["interval"][:2]
    value = f"gain of both {change_text(finite(gain.get('value')), metric)} ({bounds})"
    return f"; {value}, which may be chance" if low <= 0 <= high else f"; {value}"


def _notice(notice: Notice) -> str:
    """Its title and its sentences, a line each."""
    return f"**{escape_markdown(notice.title)}**\n\n{bullets(notice.sentences[:SENTENCES])}"


def _metrics(section: Ablation) -> str:
    """The metrics of each view, the first one with its interval."""
    rows = []
    for place, view in enumerate(section.views):
        cells = [metric.cells[place] for metric in section.metrics]
        rows.append((view.name, *(c.full for c in cells[:1]), *(c.text for c in cells[1:])))
    header = ("on the test rows", *(escape_markdown(metric.name) for metric in section.metrics))
    return table(header, rows) if section.metrics else ""


def _tried(section: Choice) -> str:
    rows = [(one.name, one.loss, one.remark) for one in section.tried]
    header = ("model", f"{section.loss_name} on training rows", "remark")
    parts = [escape_markdown(section.lead), table(header, rows) if rows else ""]
    return "\n\n".join(filter(None, parts))
