"""The label in short: headline figures, a line, and the Markdown summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report.cautions import leak_words
from fusemine.tasks.mine.classify.report.metrics import (
    best_single,
    change_words,
    estimate,
    leading,
    main_view,
    metric_name,
)
from fusemine.tasks.report.facts import why_none
from fusemine.tasks.report.markdown import bullets, chapter, table
from fusemine.tasks.report.model import Figure, ReportInputs, Skipped, Summary
from fusemine.tasks.report.rates import classes, is_number, mean, numbers, positive, rate, rate_name
from fusemine.tasks.report.words import amount, count, cut, finite, known, number, percent
from fusemine.tasks.table.escaping import escape

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.mine.classify.report.model import Ablation, Choice, Estimate, Label, Warned

SENTENCES = 5
"""Sentences of a warning."""
_SOURCES = {
    "chosen": "the chosen model",
    "both": "table and text",
    "table": "the table",
    "text": "the text",
}


def figures(inputs: ReportInputs, rows: pl.DataFrame) -> list[Figure]:
    """The label's rate, mean or classes, how well it is learnt, and what fusion adds."""
    of = _mean if is_number(inputs) else _rate
    summary = inputs.summary("classify") or {}
    return [*of(inputs, rows), *_quality(summary), *_gained(summary)]


def finding(summary: Summary | None) -> str:
    """The line of the report in short."""
    if summary is None or summary.get("skipped"):
        return f"Label: not learnt; {why_none(summary)}"
    leak = leak_words(summary)
    doubt = f"{leak}, so this says little: " if leak else ""
    return f"Label: {doubt}{_score(summary)}"


def summary(section: Label | Skipped) -> str:
    """The chapter of the Markdown summary."""
    title = "The label"
    if isinstance(section, Skipped):
        return chapter(title, escape(section.lead))
    return chapter(
        title,
        *map(_warned, section.alarms),
        escape(section.lead),
        escape(section.gain),
        escape(section.note),
        *map(_warned, section.cautions),
        _metrics(section.ablation) if section.ablation else "",
        _tried(section.choice) if section.choice else "",
        f"Doubtful labels: {escape(section.doubts.lead)}" if section.doubts else "",
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
    words = [_SOURCES.get(view, view), main.bounds, leak_words(summary)]
    return [Figure(metric_name(metric), main.said, ", ".join(filter(None, words)))]


def _gained(summary: Summary) -> list[Figure]:
    gain, metric = summary.get("gain") or {}, leading(summary)
    if finite(gain.get("value")) is None:
        return []
    low, high = (gain.get("interval") or (None, None))[:2]
    ends = f"{change_words(low, metric)} to {change_words(high, metric)}" if known(low) else ""
    over = f"over {cut(gain.get('over') or 'the best view', 30)} alone"
    value = change_words(gain["value"], metric)
    return [Figure("gain of fusion", value, ", ".join(filter(None, [over, ends])))]


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


def _warned(warned: Warned) -> str:
    """A title and what it rests on, a line each."""
    return f"**{escape(warned.title)}**\n\n{bullets(warned.sentences[:SENTENCES])}"


def _metrics(section: Ablation) -> str:
    if not section.metrics:
        return ""
    rows = [
        (view.name, *(_cell(m.cells[place], m is section.metrics[0]) for m in section.metrics))
        for place, view in enumerate(section.views)
    ]
    return table(("on the test rows", *(escape(m.name) for m in section.metrics)), rows)


def _cell(cell: Estimate, whole: bool) -> str:
    return f"{cell.said} ({cell.bounds})" if whole and cell.bounds else cell.said


def _tried(section: Choice) -> str:
    rows = [(one.name, one.loss, one.remark) for one in section.tried]
    header = ("model", f"{section.loss_name} on training rows", "remark")
    return "\n\n".join(filter(None, [escape(section.lead), table(header, rows) if rows else ""]))
