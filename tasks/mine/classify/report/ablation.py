"""How good text, table and both are, each learnt by the same learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report.metrics import (
    ARTICLES,
    METRICS,
    about_view,
    chance,
    estimate,
    leading,
    main_view,
    metric_name,
    metrics,
    view_name,
    views,
)
from fusemine.tasks.mine.classify.report.model import Ablation, Estimate, Forest, View
from fusemine.tasks.report.words import cut, listed

if TYPE_CHECKING:
    from fusemine.tasks.report.model import Summary

SHOWN, FORESTS = 6, 2
DRAWN = ("average_precision", "roc_auc", "balanced_accuracy", "rmse", "r2")
AVERAGE = "logistic regression and boosted trees, averaged"
TOLD = {"table": "the table alone", "text": "the text alone", "both": "both together"}


def ablation(summary: Summary) -> Ablation | None:
    """The section on the views; None where none has metrics."""
    shown = views(summary)
    skipped = _skipped(summary)
    if not shown and not skipped:
        return None
    found = metrics(summary, shown)
    main = main_view(summary)
    return Ablation(
        lead=_lead(summary),
        views=[
            View(view_name(view, summary), about_view(view, summary), view == main)
            for view in shown
        ],
        skipped=skipped,
        forests=_forests(summary, shown),
        metrics=found[:SHOWN],
        more=found[SHOWN:],
    )


def _skipped(summary: Summary) -> list[tuple[str, str]]:
    found = summary.get("metrics") or {}
    reasons = {view: (found[view] or {}).get("skipped") for view in found}
    return [
        (view_name(view, summary), cut(reason, 300)) for view, reason in reasons.items() if reason
    ]


def _lead(summary: Summary) -> str:
    metric = leading(summary)
    found = {view: estimate(summary, view, metric) for view in TOLD}
    parts = [f"{TOLD[view]} {e.said}" for view, e in found.items() if e.value is not None]
    if len(parts) < 2:
        return ""
    named = f"{ARTICLES.get(metric, 'a')} {metric_name(metric)}"
    return (
        f"Learnt by one and the same learner ({_learner(summary)}), these reach {named} of: "
        f"{listed(parts)}."
    )


def _learner(summary: Summary) -> str:
    return cut(summary.get("baseline") or AVERAGE, 100)


def _forests(summary: Summary, shown: list[str]) -> list[Forest]:
    """The charts: what knows nothing is the line that the others are compared with."""
    told = [view for view in shown if view != "majority"]
    found = []
    for metric in filter(METRICS.__contains__, DRAWN):
        cells = [_named(summary, view, metric) for view in told]
        if any(cell.value is not None for cell in cells):
            reference = _reference(summary, metric)
            found.append(Forest(metric_name(metric), reference, _reference_name(metric), cells))
    return found[:FORESTS]


def _named(summary: Summary, view: str, metric: str) -> Estimate:
    e = estimate(summary, view, metric)
    return Estimate(view_name(view, summary), e.value, e.low, e.high, e.in_unit)


def _reference(summary: Summary, metric: str) -> float | None:
    known = estimate(summary, "majority", metric).value
    if known is not None:
        return known
    return {"average_precision": chance(summary), "roc_auc": 0.5}.get(metric)


def _reference_name(metric: str) -> str:
    if metric in {"rmse", "r2"}:
        return "always the mean"
    return "always the commonest class" if metric == "balanced_accuracy" else "a random order"
