"""How well the label can be predicted, what the text adds, and how far to trust that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report import charts, headlines
from fusemine.tasks.mine.classify.report.cautions import alarms, cautions, checked
from fusemine.tasks.mine.classify.report.comparison import ablation, choice
from fusemine.tasks.mine.classify.report.groups import groups
from fusemine.tasks.mine.classify.report.label_errors import label_errors
from fusemine.tasks.mine.classify.report.metrics import (
    SUBJECTS,
    a_metric,
    chance,
    estimate,
    gain_text,
    leading,
    main_view,
)
from fusemine.tasks.mine.classify.report.model import Estimate, Label
from fusemine.tasks.mine.classify.report.quality import learning_curve, quality
from fusemine.tasks.mine.classify.report.reasons import reasons
from fusemine.tasks.report.facts import why_missing
from fusemine.tasks.report.model import Part, ReportInputs, Skipped, Summary, View
from fusemine.tasks.report.rates import classes, is_number, numbers
from fusemine.tasks.report.words import amount, capital, count, cut, finite, listed, percent, plural

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.report.settings import ReportSettings

CLASSES = 10


def section(inputs: ReportInputs, rows: pl.DataFrame, _: ReportSettings) -> Part:
    """The label, also in short."""
    found = label(inputs, rows)
    return Part(
        views=[View("label", "The label", "label.html.j2", found, charts=charts)],
        figures=headlines.figures(inputs, rows),
        finding=headlines.finding(inputs.summary("classify")),
        summary=headlines.summary(found),
    )


def label(inputs: ReportInputs, rows: pl.DataFrame) -> Label | Skipped:
    """How well the label can be learnt; `rows` is the frame of `facts`."""
    reason, summary = why_missing(inputs, "classify", "Classification"), inputs.summary("classify")
    if reason or summary is None:
        return Skipped(reason)
    known = [] if is_number(inputs) else classes(rows["label"])
    return Label(
        lead=_lead(summary),
        alarms=alarms(summary),
        gain=gain_text(summary.get("gain"), leading(summary)),
        note=cut(inputs.label_note or "", 1000),
        split=cut(summary.get("split") or "", 400),
        classes=[(cut(name, 60), n) for name, n in known[:CLASSES]],
        more_classes=len(known[CLASSES:]),
        numbers=_range(numbers(rows["label"])) if is_number(inputs) else "",
        remarks=[*_decision(summary), *_corrections(summary)],
        cautions=cautions(summary),
        checked=checked(summary),
        ablation=ablation(summary),
        choice=choice(summary),
        quality=quality(summary),
        learning_curve=learning_curve(summary),
        reasons=reasons(inputs, rows, summary),
        groups=groups(summary),
        label_errors=label_errors(inputs, rows, summary),
    )


def _lead(summary: Summary) -> str:
    main = main_view(summary)
    views = dict.fromkeys([main, *SUBJECTS] if main in SUBJECTS else SUBJECTS)
    for metric in dict.fromkeys((leading(summary), "average_precision", "balanced_accuracy")):
        for view in views:
            found = estimate(summary, view, metric)
            if found.value is not None:
                return _reached(summary, view, metric, found)
    return "There is no figure on how well the label can be predicted."


def _reached(summary: Summary, view: str, metric: str, found: Estimate) -> str:
    subject, verb = SUBJECTS[view]
    bounds = f" (95 % interval {found.bounds})" if found.bounds else ""
    rows = finite((summary.get("rows") or {}).get("test"))
    tested = f" on {plural(int(rows), 'test row')}" if rows else ""
    return (
        f"{capital(subject)} {verb} {a_metric(metric)} of "
        f"{found.text}{bounds}{tested}{_chance(summary, metric)}."
    )


def _chance(summary: Summary, metric: str) -> str:
    """The same metric of a model without any knowledge."""
    if metric == "rmse":
        mean = estimate(summary, "majority", metric)
        return "" if mean.value is None else f"; the mean alone gets {mean.text}"
    base = chance(summary)
    if metric != "average_precision" or base is None:
        return ""
    return f"; a random order would get {Estimate(base).text}"


def _range(values: pl.Series) -> str:
    if not values.len():
        return ""
    low, middle, high = (finite(v) for v in (values.min(), values.median(), values.max()))
    ends = f"from {amount(low)} to {amount(high)}, median {amount(middle)}"
    return f"{count(values.len())} rows have a number, {ends}."


def _decision(summary: Summary) -> list[str]:
    decision = summary.get("decision") or {}
    remarks = [cut(decision.get("said") or "", 500)]
    names = ("rows", "decided", "accuracy", "abstain")
    rows, decided, right, abstain = (finite(decision.get(name)) for name in names)
    if abstain is not None and rows and decided is not None:
        correct = f", {percent(right)} of them correctly" if right is not None else ""
        remarks.append(
            f"Rows whose likeliest class is less probable than {percent(abstain)} are left "
            f"undecided: {count(decided)} of {count(rows)} test rows "
            f"({percent(decided / rows)}) are decided{correct}."
        )
    elif right is not None:
        remarks.append(f"{percent(right)} of the test rows are then predicted correctly.")
    return [remark for remark in remarks if remark]


def _corrections(summary: Summary) -> list[str]:
    counts = summary.get("corrections") or {}
    applied, unchanged, unknown = (
        int(finite(counts.get(name)) or 0) for name in ("applied", "unchanged", "unknown")
    )
    if not applied + unchanged + unknown:
        return []
    parts = [
        f"{plural(applied, 'label was', 'labels were')} corrected",
        f"{plural(unchanged, 'correction', 'corrections')} changed nothing" if unchanged else "",
        f"{count(unknown)} named no row" if unknown else "",
    ]
    return [f"{listed([part for part in parts if part])}."]
