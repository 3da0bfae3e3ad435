"""Whether the model is worse, or promises too much, for some levels of a column."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import is_of_numbers
from fusemine.tasks.mine.classify.report.model import GroupedBy, Groups, Level
from fusemine.tasks.report.words import (
    amount,
    count,
    cut,
    finite,
    number,
    percent,
    plural,
    points,
    sentence,
    signed_amount,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusemine.tasks.report.model import Summary

    Columns = Mapping[str, tuple[str, Callable[[float | None], str]]]
    """What is shown of each level: names and formats, by the measures' keys."""

COLUMNS, LEVELS, FLAGS = 10, 30, 12
_BINARY: Columns = {
    "base_rate": ("positive", percent),
    "recall": ("recall", percent),
    "false_positive_rate": ("false alarms", percent),
    "calibration_gap": ("calibration gap, points", points),
    "average_precision": ("average precision", number),
}
_MANY: Columns = {
    "accuracy": ("told right", percent),
    "calibration_gap": ("calibration gap, points", points),
    "average_precision": ("average precision", number),
}
_NUMBERS: Columns = {
    "rmse": ("RMSE", partial(amount, fixed=True)),
    "mean_error": ("mean error", signed_amount),
}


def groups(summary: Summary) -> Groups | None:
    """The section; None where no columns were named."""
    found = list(summary.get("groups") or [])[:COLUMNS]
    if not found:
        return None
    columns = _columns(summary)
    flags = [
        cut(f"{_cut(one)}, “{cut(level.get('level'), 60)}”: {level.get('why') or ''}", 400)
        for one in found
        for level in one.get("levels") or []
        if level.get("flagged")
    ]
    return Groups(
        lead=_lead(found, len(flags)),
        flags=flags[:FLAGS],
        columns=[_grouped(one, columns) for one in found],
    )


def _columns(summary: Summary) -> Columns:
    if is_of_numbers(summary):
        return _NUMBERS
    return _MANY if summary.get("positive") is None else _BINARY


def _cut(one: Mapping[str, Any]) -> str:
    return cut(one.get("column") or "", 60)


def _lead(found: list[Mapping[str, Any]], flagged: int) -> str:
    levels = sum(len(one.get("levels") or []) for one in found)
    if not levels:
        return "No level of these columns has test rows enough to be judged."
    if not flagged:
        return f"None of {plural(levels, 'level')} stands out: no gap is large and sure."
    return (
        f"{plural(flagged, 'level')} of {count(levels)} stand{'s' if flagged == 1 else ''} out: "
        "there the model is worse, or its predictions are further off, than chance explains."
    )


def _grouped(one: Mapping[str, Any], columns: Columns) -> GroupedBy:
    levels = sorted(one.get("levels") or [], key=lambda level: not level.get("flagged"))
    return GroupedBy(
        column=_cut(one),
        skipped=sentence(cut(one["skipped"], 300)) if one.get("skipped") else "",
        header=[name for name, _ in columns.values()],
        levels=[
            Level(
                name=cut(level.get("level"), 60),
                rows=int(finite(level.get("rows")) or 0),
                flagged=bool(level.get("flagged")),
                cells=[said(finite(level.get(key))) for key, (_, said) in columns.items()],
            )
            for level in levels[:LEVELS]
        ],
        left_out=_left_out(one.get("left_out") or {}),
    )


def _left_out(left: Mapping[str, Any]) -> str:
    levels, rows = int(left.get("levels") or 0), int(left.get("rows") or 0)
    if not levels:
        return ""
    return f"{plural(levels, 'level')} with too few rows to judge ({plural(rows, 'test row')})."
