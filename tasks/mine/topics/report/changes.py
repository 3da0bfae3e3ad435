"""What changed among the topics, partition by partition, as the topic registry notes it."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.topics.report.model import Change, Changes
from fusemine.tasks.report.words import cut, listed, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

    from fusemine.tasks.report.model import ReportInputs

SHOWN, MOST, TOGETHER, EACH = 15, 100, 3, 40
"""Lines that are shown at once and in all; events of one partition from which on they are
reported together, and how many of these unfold."""
ANEW = "fitted"
_SAID = {
    "born": "“{name}” is new",
    "split": "“{name}” split off from “{other}”",
    "merged": "“{name}” went into “{other}”",
    "died": "“{name}” is gone",
    "grew": "“{name}” grew",
    "drifted": "“{name}” speaks of other things than it did",
    "renamed": "“{name}” has a new name",
    ANEW: "All texts were grouped anew",
}
_COUNTED = {"born": "new", "split": "split off", "died": "gone"}


def changes(inputs: ReportInputs) -> tuple[list[Changes], list[Changes], int]:
    """The latest changes, older ones, and how many partitions with still older ones there are."""
    events = inputs.table("topics", "events")
    if events is None:
        return [], [], 0
    found = [_at(partition, rows) for partition, rows in _by_partition(events)]
    lines = first = last = 0
    for change in found:
        lines += 1 if change.said else len(change.events)
        first += lines <= SHOWN or not first
        last += lines <= MOST or not last
    return found[:first], found[first:last], len(found) - last


def counted(kinds: Iterable[str]) -> str:
    """Kinds of events as a half-sentence: 4 new and 2 merged."""
    order = {kind: place for place, kind in enumerate(_SAID)}
    counts = sorted(Counter(kinds).items(), key=lambda pair: order.get(pair[0], len(order)))
    return listed([f"{n} {_COUNTED.get(kind, cut(kind, 20))}" for kind, n in counts], 8)


def _by_partition(events: pl.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """The events of each partition in their order, the newest partition first."""
    rows = events.sort("partition", descending=True, maintain_order=True).to_dicts()
    return [(key, list(group)) for key, group in groupby(rows, key=lambda row: row["partition"])]


def _at(partition: str, rows: list[dict[str, Any]]) -> Changes:
    told = _together(rows) if len(rows) > TOGETHER else ""
    shown = rows[:EACH] if told else rows
    return Changes(cut(partition, 40), told, list(map(_change, shown)), len(rows) - len(shown))


def _together(rows: list[dict[str, Any]]) -> str:
    """Many events of a partition in one sentence, led by a grouping of all texts."""
    anew = [row for row in rows if row["kind"] == ANEW]
    others = counted(row["kind"] for row in rows if row["kind"] != ANEW)
    if not anew:
        return sentence(f"{len(rows)} changes: {others}")
    said = _SAID[ANEW]
    return sentence(f"{said}: {others}" if others else said)


def _change(row: Mapping[str, Any]) -> Change:
    name, other = cut(row["name"], 60), cut(row["other_name"] or "another topic", 60)
    kind = cut(row["kind"], 20)
    said = _SAID[kind].format(name=name, other=other) if kind in _SAID else f"“{name}”: {kind}"
    return Change(kind, said, cut(row["evidence"], 300))
