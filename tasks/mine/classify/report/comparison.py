"""How good text, table and both are by the same learner, and how the model was chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import (
    a_metric,
    chance,
    estimate,
    is_of_numbers,
    leading,
    main_view,
    metric_name,
    metrics,
    view_words,
    views,
)
from fusemine.tasks.mine.classify.report.model import Ablation, Bar, Candidate, Choice, Forest, View
from fusemine.tasks.report.words import amount, cut, finite, known, listed, number, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import Summary

SHOWN, FORESTS = 6, 2
DRAWN = ("average_precision", "roc_auc", "balanced_accuracy", "rmse", "r2")
AVERAGE = "logistic regression and boosted trees, averaged"
COMPARED = {"table": "the table alone", "text": "the text alone", "both": "both together"}

TRIED, PARTS = 20, 12
BLOCKS = {
    "terms": "words of the text",
    "text": "text vectors",
    "levels": "names of the levels",
    "rates": "label rates of the levels",
}
TABLE = frozenset({"numbers", "categories", "dates", "levels", "rates"})
CALIBRATIONS = {
    "isotonic": "Its probabilities are calibrated by isotonic regression on rows held out.",
    "platt": "Its probabilities are calibrated by Platt's sigmoid on rows held out.",
    "none": "Its probabilities are not calibrated.",
}


def ablation(summary: Summary) -> Ablation | None:
    """The section on the views; None where none has metrics."""
    shown, main, cells = views(summary), main_view(summary), summary.get("metrics") or {}
    reasons = {view: (found or {}).get("skipped") for view, found in cells.items()}
    skipped = [(view_words(v, summary)[0], cut(why, 300)) for v, why in reasons.items() if why]
    if not shown and not skipped:
        return None
    found = metrics(summary, shown)
    return Ablation(
        lead=_compared(summary),
        views=[View(*view_words(view, summary), main=view == main) for view in shown],
        skipped=skipped,
        forests=_forests(summary, shown),
        metrics=found[:SHOWN],
        more=found[SHOWN:],
    )


def _compared(summary: Summary) -> str:
    metric = leading(summary)
    found = {name: estimate(summary, view, metric) for view, name in COMPARED.items()}
    parts = [f"{name} {one.text}" for name, one in found.items() if one.value is not None]
    if len(parts) < 2:
        return ""
    learner = cut(summary.get("baseline") or AVERAGE, 100)
    return (
        f"Learnt by one and the same learner ({learner}), these reach {a_metric(metric)} of: "
        f"{listed(parts)}."
    )


def _forests(summary: Summary, shown: list[str]) -> list[Forest]:
    """The charts: a model without any knowledge is the line that the others are compared with."""
    compared = [view for view in shown if view != "majority"]
    found = []
    for metric in DRAWN:
        named = [
            replace(estimate(summary, view, metric), name=view_words(view, summary)[0])
            for view in compared
        ]
        if any(one.value is not None for one in named):
            found.append(Forest(metric_name(metric), *_reference(summary, metric), named))
    return found[:FORESTS]


def _reference(summary: Summary, metric: str) -> tuple[float | None, str]:
    """What a model without any knowledge gets, and what it predicts."""
    value = estimate(summary, "majority", metric).value
    if value is None:
        value = {"average_precision": chance(summary), "roc_auc": 0.5}.get(metric)
    always = {"rmse": "the mean", "r2": "the mean", "balanced_accuracy": "the commonest class"}
    return value, f"always {always[metric]}" if metric in always else "a random order"


def choice(summary: Summary) -> Choice | None:
    """The section on the chosen model; None where nothing is known of it."""
    model, board = summary.get("model") or {}, summary.get("leaderboard") or []
    if not model and not board:
        return None
    numbers = is_of_numbers(summary)
    loss = "RMSE" if numbers else "log loss"
    return Choice(
        lead=_chosen(model, board, loss),
        loss_name=loss,
        tried=[_candidate(one, numbers) for one in board[:TRIED]],
        parts=_parts(model),
        gates=_gates(summary.get("gates") or {}),
        calibration="" if numbers else CALIBRATIONS.get(str(model.get("calibration")), ""),
    )


def _chosen(model: Mapping[str, Any], board: list[Mapping[str, Any]], loss: str) -> str:
    best = next((one for one in board if one.get("chosen")), {})
    name = cut(best.get("name") or model.get("name") or "one model", 120)
    ran = sum(known(one.get("loss")) for one in board)
    if ran < 2:
        return f"Predictions come from “{name}”; nothing else was tried."
    left = plural(len(board) - ran, "more was left out", "more were left out")
    rest = f"; {left}" if len(board) > ran else ""
    return (
        f"Predictions come from “{name}”. Of the {ran} ways to join table and text that were "
        f"tried, it has the least {loss} on the training rows, each predicted by models that had "
        f"not seen it{rest}."
    )


def _candidate(one: Mapping[str, Any], numbers: bool) -> Candidate:
    loss = finite(one.get("loss"))
    return Candidate(
        name=cut(one.get("name") or "", 120),
        loss=amount(loss, 5, fixed=True) if numbers else number(loss, 4),
        chosen=bool(one.get("chosen")),
        remark="chosen" if one.get("chosen") else cut(one.get("left_out") or "", 200),
    )


def _parts(model: Mapping[str, Any]) -> list[Bar]:
    """The models and their shares, with their blocks where these differ."""
    parts = list(model.get("parts") or [])[:PARTS]
    blocks = [_blocks(part.get("blocks") or []) for part in parts]
    alike = len(parts) > 1 and len(set(blocks)) == 1
    return [
        Bar(
            cut(part.get("learner") or "", 60),
            "" if alike else of,
            finite(part.get("share")) or 0.0,
        )
        for part, of in zip(parts, blocks, strict=True)
    ]


def _blocks(names: Sequence[str]) -> str:
    """Blocks in short: all that is of the table is the table."""
    found = dict.fromkeys("table" if name in TABLE else _block(name) for name in names)
    if {"terms", "text"} <= set(names):
        found = {"text": None, **{n: None for n in found if n not in BLOCKS.values()}}
    return listed(list(found))


def _block(name: str) -> str:
    return BLOCKS.get(name, cut(name, 40))


def _gates(gates: Mapping[str, Any]) -> list[Bar]:
    pairs = [(name, value) for name, value in gates.items() if known(value)]
    order = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return [Bar(_block(name), percent(value), float(value)) for name, value in order[:PARTS]]
