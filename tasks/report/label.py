"""How well the label can be told, and what the text adds to the table."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from tasks.report.doubts import doubts
from tasks.report.facts import classes, why_not
from tasks.report.model import (
    Bin,
    Confusion,
    Estimate,
    Label,
    Metric,
    ReportInputs,
    Skipped,
    Summary,
)
from tasks.report.words import count, cut, finite, interval, known, number, signed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

VIEWS = ("table", "text", "both")
LEADING = {
    "average_precision": "an average precision",
    "balanced_accuracy": "a balanced accuracy",
}
SPOKEN = {
    "both": "Table and text together reach",
    "text": "The text alone reaches",
    "table": "The table alone reaches",
}
CLASSES, CURVE_POINTS = 10, 160
METRICS = {
    "average_precision": "how pure the top of the ranking is; a random order gets the base rate",
    "roc_auc": "chance that a positive row ranks above a negative one; a random order gets 0.5",
    "balanced_accuracy": "share of rows told right, averaged over the classes",
    "accuracy": "share of rows told right",
    "precision": "share of the rows called positive that are",
    "recall": "share of the positive rows that are found",
    "f1": "harmonic mean of precision and recall",
    "log_loss": "penalty for confident mistakes; lower is better",
    "brier": "squared error of the probability; lower is better",
}
OF_MANY = {
    "average_precision": "how pure the top of a class's ranking is, averaged over the classes",
    "roc_auc": "chance that a row of a class ranks above another, averaged over the classes",
    "precision": "share of the rows called a class that are in it, averaged over the classes",
    "recall": "share of a class's rows that are found, averaged over the classes",
}
"""What the metrics say where no class is the positive one."""
NAMES = {"roc_auc": "ROC-AUC", "f1": "F1", "log_loss": "log loss", "brier": "Brier score"}


def label(inputs: ReportInputs, rows: pl.DataFrame) -> Label | Skipped:
    """The classifier's section; `rows` is the frame of `facts`."""
    reason = why_not("Classification", inputs.classification, inputs.predictions)
    if reason or inputs.classification is None or inputs.predictions is None:
        return Skipped(reason)
    summary = inputs.classification
    known_classes = classes(rows["label"])
    views = _views(summary)
    return Label(
        lead=_lead(summary),
        note=cut(inputs.label_note or "", 1000),
        split=cut(summary.get("split") or "", 400),
        base_rate=_chance(summary),
        classes=[(cut(name, 60), n) for name, n in known_classes[:CLASSES]],
        more_classes=len(known_classes[CLASSES:]),
        views=views,
        skipped_views=_skipped(summary),
        forests=_forests(summary, views),
        metrics=_metrics(summary, views),
        gain=gain_words(summary.get("gain")),
        confusion=_confusion(summary.get("confusion")),
        curve=_curve(summary.get("curve")),
        calibration=_calibration(summary.get("calibration")),
        terms=_terms(summary.get("terms")),
        doubts=doubts(inputs.predictions, rows, [name for name, _ in known_classes]),
    )


def estimate(summary: Summary | None, view: str, metric: str) -> Estimate:
    """One metric of one view with its interval; a value of None where it is not known."""
    cells = ((summary or {}).get("metrics") or {}).get(view) or {}
    bounds = cells.get(f"{metric}_interval") or (None, None)
    low, high = finite(bounds[0]), finite(bounds[1])
    return Estimate(view, finite(cells.get(metric)), low, high)


def best_single(summary: Summary | None) -> Estimate:
    """The better of table alone and text alone, by average precision."""
    singles = [estimate(summary, view, "average_precision") for view in ("table", "text")]
    return max(singles, key=lambda e: -1.0 if e.value is None else e.value)


def gain_words(gain: Mapping[str, Any] | None) -> str:
    """What fusion adds, in words that claim no more than the interval does."""
    value = finite((gain or {}).get("value"))
    if gain is None or value is None:
        return ""
    over = f"the {cut(gain.get('over') or 'best single view', 40)} alone"
    low, high = (gain.get("interval") or (None, None))[:2]
    if not (known(low) and known(high)):
        return f"Table and text together differ from {over} by {signed(value)}; no interval."
    bounds = f"95 % interval {signed(low)} to {signed(high)}"
    if low > 0:
        return f"Table and text together beat {over} by {signed(value)} ({bounds})."
    if high < 0:
        return f"Table and text together do worse than {over}: {signed(value)} ({bounds})."
    return (
        f"Whether fusion helps is open: the best guess is {signed(value)} over {over}, but the "
        f"{bounds} includes zero, so these test rows do not show a difference."
    )


def _lead(summary: Summary) -> str:
    base = _chance(summary)
    for metric, view in product(("average_precision", "balanced_accuracy"), SPOKEN):
        found = estimate(summary, view, metric)
        if found.value is not None:
            ranks = metric == "average_precision" and base is not None
            random = f"; a random order would get {number(base)}" if ranks else ""
            article = "an" if metric == "average_precision" else "a"
            return (
                f"{SPOKEN[view]} {article} {metric.replace('_', ' ')} of {_worded(found)}{random}."
            )
    return "There is no figure on how well the label can be told."


def _chance(summary: Summary) -> float | None:
    """What a random order gets for average precision: the base rate of the positive class."""
    return finite(summary.get("base_rate")) if summary.get("positive") is not None else None


def _worded(value: Estimate) -> str:
    bounds = interval(value.low, value.high)
    return number(value.value) + (f" (95 % interval {bounds})" if bounds else "")


def _views(summary: Summary) -> list[str]:
    found = summary.get("metrics") or {}
    order = [*(v for v in VIEWS if v in found), *sorted(set(found) - set(VIEWS))]
    return [view for view in order if found[view] and not found[view].get("skipped")]


def _skipped(summary: Summary) -> list[tuple[str, str]]:
    found = summary.get("metrics") or {}
    reasons = {view: (found[view] or {}).get("skipped") for view in found}
    return [(cut(view, 40), cut(reason, 300)) for view, reason in reasons.items() if reason]


def _metrics(summary: Summary, views: list[str]) -> list[Metric]:
    seen = {key: None for view in views for key, v in summary["metrics"][view].items() if known(v)}
    binary = summary.get("positive") is not None
    order = [*(key for key in METRICS if key in seen), *(key for key in seen if key not in METRICS)]
    return [
        Metric(
            name=NAMES.get(key, cut(key, 60).replace("_", " ")),
            meaning=(METRICS if binary else METRICS | OF_MANY).get(key, ""),
            cells=[estimate(summary, view, key) for view in views],
        )
        for key in order
    ]


def _forests(summary: Summary, views: list[str]) -> list[tuple[str, float | None, list[Estimate]]]:
    chance = {"average_precision": _chance(summary), "roc_auc": 0.5}
    found = []
    for key in ("average_precision", "roc_auc", "balanced_accuracy"):
        cells = [estimate(summary, view, key) for view in views]
        if any(cell.value is not None for cell in cells):
            found.append((NAMES.get(key, key.replace("_", " ")), chance.get(key), cells))
    return found[:2]


def _confusion(matrix: Mapping[str, Any] | None) -> Confusion | None:
    if not matrix or not matrix.get("labels"):
        return None
    labels, rows = [cut(name, 40) for name in matrix["labels"]], matrix["rows"]
    if len(labels) <= CLASSES:
        return Confusion(labels, [[int(n) for n in row] for row in rows])
    return _fold(labels, rows)


def _fold(labels: list[str], rows: Sequence[Sequence[int]]) -> Confusion:
    """Keep the classes with most rows and add the others up as the last class."""
    order = sorted(range(len(labels)), key=lambda i: -sum(rows[i]))
    place = {i: min(p, CLASSES - 1) for p, i in enumerate(order)}
    folded = [[0] * CLASSES for _ in range(CLASSES)]
    for truth, row in enumerate(rows):
        for guess, n in enumerate(row):
            folded[place[truth]][place[guess]] += int(n)
    others = len(labels) - CLASSES + 1
    names = [labels[i] for i in order[: CLASSES - 1]]
    return Confusion([*names, f"{count(others)} others"], folded)


def _curve(curve: Mapping[str, Any] | None) -> list[tuple[float, float]]:
    pairs = zip(
        (curve or {}).get("recall") or [], (curve or {}).get("precision") or [], strict=False
    )
    points = [(float(r), float(p)) for r, p in pairs if known(r) and known(p)]
    step = max(1, len(points) // CURVE_POINTS)
    return points[::step] + (points[-1:] if (len(points) - 1) % step else [])


def _calibration(bins: Sequence[Mapping[str, Any]] | None) -> list[Bin]:
    return [
        Bin(float(b["mean_probability"]), float(b["share_positive"]), int(b["rows"]))
        for b in (bins or [])[:50]
        if known(b.get("mean_probability")) and known(b.get("share_positive"))
    ]


def _terms(terms: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    found = list((terms or {}).items())[:CLASSES]
    return [(cut(name, 60), [_term(t) for t in words[:15]]) for name, words in found if words]


def _term(term: Any) -> str:
    return cut(term if isinstance(term, str) else term[0], 40)
