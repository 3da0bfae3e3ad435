"""The metrics of the label's views, as the summary of learning gives them, and their names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.model import Estimate, Metric
from fusemine.tasks.report.words import amount, cut, finite, known, number, signed, signed_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusemine.tasks.report.model import Summary

VIEWS = {
    "majority": ("majority", "the same for every row: the shares of the classes"),
    "table": ("table", "categories, numbers and dates"),
    "sparse": ("sparse text", "words and character sequences"),
    "dense": ("dense text", "vectors of the language model"),
    "text": ("text", "sparse and dense"),
    "both": ("both", "table and text"),
    "chosen": ("chosen model", "what predictions come from"),
}
"""Each view's name, and what it learns from."""
MEAN = ("mean", "the same for every row: the mean of the training rows")
"""The same of `majority`, if the label is a number."""
SUBJECTS = {
    "chosen": ("the chosen model", "reaches"),
    "both": ("table and text together", "reach"),
    "text": ("the text alone", "reaches"),
    "table": ("the table alone", "reaches"),
}
METRICS = {
    "average_precision": "how pure the top of the ranking is; a random order gets the base rate",
    "roc_auc": "chance that a positive row ranks above a negative one; a random order gets 0.5",
    "balanced_accuracy": "share of rows predicted correctly, averaged over the classes",
    "precision": "share of the rows called positive that are",
    "recall": "share of the positive rows that are found",
    "log_loss": "penalty for confident mistakes; lower is better",
    "rmse": "root of the mean squared error, in the label's unit; lower is better",
    "mae": "mean size of the error, in the label's unit; lower is better",
    "r2": "share of the label's variance that is explained; the mean gets 0",
    "spearman": "rank correlation of the predicted and the true numbers; 1 is the right order",
    "accuracy": "share of rows predicted correctly",
    "f1": "harmonic mean of precision and recall",
    "brier": "squared error of the probability; lower is better",
    "calibration_error": "how far probabilities are from what comes true; lower is better",
}
OF_MANY = {
    "average_precision": "how pure the top of a class's ranking is, averaged over the classes",
    "roc_auc": "chance that a row of a class ranks above another, averaged over the classes",
    "precision": "share of the rows called a class that are in it, averaged over the classes",
    "recall": "share of a class's rows that are found, averaged over the classes",
    "f1": "harmonic mean of precision and recall, averaged over the classes",
}
"""What the metrics mean where no class is the positive one."""
NAMES = {
    "roc_auc": "ROC-AUC",
    "f1": "F1",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "spearman": "Spearman's ρ",
}
IN_UNIT, LOWER = frozenset({"rmse", "mae"}), frozenset({"rmse", "mae", "log_loss", "brier"})
"""Metrics in the unit of the label, and those of which less is better."""


def metric_name(key: str) -> str:
    """A metric as people call it."""
    return NAMES.get(key, cut(key, 60).replace("_", " "))


def a_metric(key: str) -> str:
    """The same with its article."""
    article = "an" if key in {"average_precision", "rmse", "r2"} else "a"
    return f"{article} {metric_name(key)}"


def view_words(view: str, summary: Summary) -> tuple[str, str]:
    """A view as people call it, and what it learns from."""
    if view == "majority" and is_of_numbers(summary):
        return MEAN
    return VIEWS.get(view, (cut(view, 40), ""))


def is_of_numbers(summary: Summary | None) -> bool:
    """Whether the label is a number to be predicted."""
    return (summary or {}).get("kind") == "number"


def leading(summary: Summary | None) -> str:
    """The metric that models are compared by."""
    named = (summary or {}).get("leading")
    return str(named) if named in METRICS else "average_precision"


def main_view(summary: Summary | None) -> str:
    """The entry of `metrics` that predictions come from."""
    found = summary or {}
    chosen = "chosen" in (found.get("metrics") or {})
    return "chosen" if chosen else str(found.get("main") or "both")


def estimate(summary: Summary | None, view: str, metric: str) -> Estimate:
    """One metric of one view with its interval; a value of None where it is not known."""
    cells = ((summary or {}).get("metrics") or {}).get(view) or {}
    return read_estimate(cells, metric, view)


def read_estimate(cells: Mapping[str, Any], metric: str, name: str = "") -> Estimate:
    """A metric and its interval out of a mapping that holds `metric` and `metric_interval`."""
    low, high = map(finite, cells.get(f"{metric}_interval") or (None, None))
    return Estimate(finite(cells.get(metric)), low, high, value_format(metric), name)


def best_single(summary: Summary | None) -> Estimate:
    """The better of table alone and text alone, by the leading metric."""
    metric = leading(summary)
    sign = -1.0 if metric in LOWER else 1.0
    singles = [estimate(summary, view, metric) for view in ("table", "text")]
    return max(singles, key=lambda e: -float("inf") if e.value is None else sign * e.value)


def views(summary: Summary) -> list[str]:
    """The views that have metrics, in the order of how much they know."""
    found = summary.get("metrics") or {}
    order = [*(v for v in VIEWS if v in found), *sorted(set(found) - set(VIEWS))]
    return [view for view in order if found[view] and not found[view].get("skipped")]


def metrics(summary: Summary, shown: Sequence[str]) -> list[Metric]:
    """All metrics of some views, the most informative first."""
    seen = {key: None for view in shown for key, v in summary["metrics"][view].items() if known(v)}
    meanings = METRICS if summary.get("positive") is not None else METRICS | OF_MANY
    order = [*(key for key in METRICS if key in seen), *(key for key in seen if key not in METRICS)]
    return [
        Metric(
            name=metric_name(key),
            meaning=meanings.get(key, ""),
            cells=[estimate(summary, view, key) for view in shown],
        )
        for key in order
    ]


def chance(summary: Summary) -> float | None:
    """The average precision of a random order: the base rate of the positive class."""
    return finite(summary.get("base_rate")) if summary.get("positive") is not None else None


def value_format(metric: str) -> Callable[[float | None], str]:
    """How a person reads the values of a metric."""
    return partial(amount, fixed=True) if metric in IN_UNIT else number


def change_text(value: float | None, metric: str) -> str:
    """A difference of two values of a metric, with its sign."""
    return signed_amount(value) if metric in IN_UNIT else signed(value)


def gain_bounds(gain: Mapping[str, Any], metric: str) -> str:
    """The interval of what fusion adds, or nothing."""
    low, high = (gain.get("interval") or (None, None))[:2]
    if not (known(low) and known(high)):
        return ""
    return f"{change_text(low, metric)} to {change_text(high, metric)}"


def gain_text(gain: Mapping[str, Any] | None, metric: str = "average_precision") -> str:
    """What fusion adds, as a sentence that claims no more than the interval does.

    Args:
        gain: `value`, `interval` and `over`, a view; positive where both is better.
        metric: What it is counted in.
    """
    value = finite((gain or {}).get("value"))
    if gain is None or value is None:
        return ""
    over = f"the {cut(gain.get('over') or 'best single view', 40)} alone"
    unit = f" in {metric_name(metric)} (above 0 is better)" if metric in IN_UNIT else ""
    by, bounds = f"{change_text(value, metric)}{unit}", gain_bounds(gain, metric)
    if not bounds:
        return f"Table and text together differ from {over} by {by}; no interval."
    low, high = gain["interval"][:2]
    if low > 0:
        return f"Table and text together beat {over} by {by} (95 % interval {bounds})."
    if high < 0:
        return f"Table and text together do worse than {over}: {by} (95 % interval {bounds})."
    return (
        f"Whether fusion helps is open: the best guess is {by} over {over}, but the "
        f"95 % interval {bounds} includes zero, so these test rows do not show a difference."
    )
