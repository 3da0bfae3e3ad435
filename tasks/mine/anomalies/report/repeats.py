"""Texts that come again and again, as groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.anomalies.report.model import Repeat
from fusemine.tasks.report.words import cut, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusemine.tasks.report.model import ReportInputs

MOST = 40


def repeats(inputs: ReportInputs) -> tuple[list[Repeat], int]:
    """The groups with most rows, bursts first, and how many more there are."""
    if inputs.repeats is None:
        return [], 0
    order = ["burst", "rows", "group"]
    groups = inputs.repeats.sort(order, descending=[True, True, False])
    found = [_repeat(row) for row in groups.head(MOST).iter_rows(named=True)]
    return found, groups.height - len(found)


def _repeat(row: Mapping[str, Any]) -> Repeat:
    first, last = cut(row["first"], 40), cut(row["last"], 40)
    return Repeat(
        group=int(row["group"]) + 1,
        rows=int(row["rows"]),
        texts=int(row["texts"]),
        share=float(row["share"]),
        span=first if first == last else f"{first} to {last}",
        peak=f"{plural(int(row['peak_rows']), 'row')} in {cut(row['peak'], 40)}",
        text=cut(row["text"], 160),
        burst=bool(row["burst"]),
    )
