"""Whether the model is worse, or its probabilities are too high, for some levels of a column."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import is_of_numbers
from fusemine.tasks.mine.classify.report.model import GroupedBy, Groups, Level
from fusemine.tasks.report import words
from fusemine.tasks.report.words import count, cut, finite, number, percent, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusemine.tasks.report.model import Summary

    Columns = Mapping[str, tuple[str, Callable[[float | None], str]]]
    """What is shown of each level: names and formats, by the measures' keys."""

COLUMNS, LEVELS, FLAGS = 10, 30, 12
_RANKING: Columns = {
    "calibration_gap": ("calibration gap, points", words.points),
    "average_precision": ("average precision", number),
}
_BINARY: Columns = {
    "base_rate": ("positive", percent),
    "recall": ("recall", percent),
    "false_positive_rate": ("false alarms", percent),
    **_RANKING,
}
_MANY: Columns = {"accuracy": ("correct", percent), **_RANKING}
_NUMBERS: Columns = {
    "rmse": ("RMSE", partial(words.amount, fixed=True)),
    "mean_error": ("mean error", words.signed_amount),
}


def groups(summary: Summary) -> Groups | None:
    """The section; None where no columns were named."""
    found = list(summary.get("groups") or [])[:COLUMNS]
    if not found:
        return None
    columns = _BINARY if summary.get("positive") is not None else _MANY
    columns = _NUMBERS if is_of_numbers(summary) else columns
    flags = [
        cut(f"{_column(one)}, “{cut(level.get('level'), 60)}”: {level.get('why') or ''}", 400)
        for one in found
        for level in one.get("levels") or []
        if level.get("flagged")
    ]
    return Groups(
        lead=_lead(found, len(flags)),
        flags=flags[:FLAGS],
        columns=[_grouped(one, columns) for one in found],
    )


def _column(one: Mapping[str, Any]) -> str:
    return cut(one.get("column") or "", 60)


def _lead(found: list[Mapping[str, Any]], flagged: int) -> str:
    levels = sum(len(one.get("levels") or []) for one in found)
    if not levels:
        return "No level of these columns has enough test rows to be compared."
    if not flagged:
        return f"None of {plural(levels, 'level')} stands out: no gap is large and sure."
    return (
        f"{plural(flagged, 'level')} of {count(levels)} stand{'s' if flagged == 1 else ''} out: "
        "there the model is worse, or its predictions are further off, than chance explains."
    )


def _grouped(one: Mapping[str, Any], columns: Columns) -> GroupedBy:
    levels = sorted(one.get("levels") or [], key=lambda level: not level.get("flagged"))
    left = one.get("left_out") or {}
    rows = plural(int(left.get("rows") or 0), "test row")
    return GroupedBy(
        column=_column(one),
        skipped=words.sentence(cut(one["skipped"], 300)) if one.get("skipped") else "",
        header=[name for name, _ in columns.values()],
        levels=[_level(level, columns) for level in levels[:LEVELS]],
        left_out=f"{plural(int(left['levels']), 'level')} with too few rows to compare ({rows})."
        if left.get("levels")
        else "",
    )


def _level(level: Mapping[str, Any], columns: Columns) -> Level:
    return Level(
        name=cut(level.get("level"), 60),
        rows=int(finite(level.get("rows")) or 0),
        flagged=bool(level.get("flagged")),
        cells=[text(finite(level.get(key))) for key, (_, text) in columns.items()],
    )
