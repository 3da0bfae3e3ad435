"""What changed among the topics, partition by partition, by the events of the registry."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.topics.report.model import Change, Changes
from fusemine.tasks.report.words import cut, listed, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusemine.tasks.report.model import ReportInputs

SHOWN, MOST, TOGETHER, EACH = 15, 100, 3, 40
"""Lines that are shown at once and in all; events of one partition from which on they are
reported together, and how many of these unfold."""
FITTED = "fitted"
_TEXTS = {
    "born": "“{name}” is new",
    "split": "“{name}” split off from “{other}”",
    "merged": "“{name}” was merged into “{other}”",
    "died": "“{name}” is gone",
    "grew": "“{name}” grew",
    "drifted": "“{name}” drifted from its earlier texts",
    "renamed": "“{name}” has a new name",
    FITTED: "All texts were grouped",
}
_COUNTED = {"born": "new", "split": "split off", "died": "gone"}


def changes(inputs: ReportInputs) -> tuple[list[Changes], list[Changes], int]:
    """The latest changes, older ones, and how many partitions with still older ones there are."""
    events = inputs.table("topics", "events")
    if events is None:
        return [], [], 0
    rows = events.sort("partition", descending=True, maintain_order=True).to_dicts()
    groups = groupby(rows, key=lambda row: row["partition"])
    found = [_changes(partition, list(group)) for partition, group in groups]
    lines = first = last = 0
    for change in found:
        lines += 1 if change.text else len(change.events)
        first += lines <= SHOWN or not first
        last += lines <= MOST or not last
    return found[:first], found[first:last], len(found) - last


def count_kinds(kinds: Iterable[str]) -> str:
    """Kinds of events as a half-sentence.

    >>> count_kinds(["merged", "born", "born"])
    '2 new and 1 merged'
    """
    order = {kind: place for place, kind in enumerate(_TEXTS)}
    counts = sorted(Counter(kinds).items(), key=lambda pair: order.get(pair[0], len(order)))
    return listed([f"{n} {_COUNTED.get(kind, cut(kind, 20))}" for kind, n in counts], 8)


def _changes(partition: str, rows: list[dict[str, Any]]) -> Changes:
    text = _together(rows) if len(rows) > TOGETHER else ""
    shown = rows[:EACH] if text else rows
    return Changes(cut(partition, 40), text, list(map(_change, shown)), len(rows) - len(shown))


def _together(rows: list[dict[str, Any]]) -> str:
    """Many events of a partition in one sentence, led by a grouping of all texts."""
    kinds = [row["kind"] for row in rows]
    others = count_kinds(kind for kind in kinds if kind != FITTED)
    lead = _TEXTS[FITTED] if FITTED in kinds else f"{len(rows)} changes"
    return sentence(f"{lead}: {others}" if others else lead)


def _change(row: Mapping[str, Any]) -> Change:
    name, other = cut(row["name"], 60), cut(row["other_name"] or "another topic", 60)
    kind = cut(row["kind"], 20)
    text = _TEXTS[kind].format(name=name, other=other) if kind in _TEXTS else f"“{name}”: {kind}"
    return Change(kind, text, cut(row["evidence"], 300))
