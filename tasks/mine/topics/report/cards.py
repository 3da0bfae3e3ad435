"""A card for each topic: its size, its course, its label, its words and its texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.topics.report.model import Topic, TopicBurst
from fusemine.tasks.mine.topics.report.themes import Palette, palette
from fusemine.tasks.report.facts import quoted
from fusemine.tasks.report.rates import is_number, label_mean, label_rate, positive
from fusemine.tasks.report.timeline import Timeline, timeline
from fusemine.tasks.report.words import count, cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import ReportInputs

PERIODS, BURSTS, TERMS = 30, 3, 10
"""Points of a sparkline, bursts that a card names, and its words."""
LOOSE = 0.0
"""The words of a topic with less coherence (mean NPMI) than this seldom come together: at 0 they
do as often as by chance."""


@dataclass(frozen=True)
class _Shared:
    """What all cards are made from; `each` is how many texts of either kind a card shows."""

    inputs: ReportInputs
    rows: pl.DataFrame
    line: Timeline
    hues: Palette
    texts: dict[str, str]
    bursts: dict[int, list[dict[str, Any]]]
    each: int


def cards(
    inputs: ReportInputs, rows: pl.DataFrame, topics: pl.DataFrame, examples: int
) -> list[Topic]:
    """A card for each of some topics, in their order.

    Args:
        inputs: The run.
        rows: Its rows, as `facts` gives them.
        topics: The topics, as `ranked` gives them.
        examples: Texts on a card: half of them typical, half central.
    """
    ids = [str(i) for name in ("typical", "central") for its in topics[name] for i in its[:10]]
    shared = _Shared(
        inputs=inputs,
        rows=rows,
        line=timeline(inputs, PERIODS),
        hues=palette(inputs),
        texts=quoted(rows, ids, 220),
        bursts=bursts_of(inputs),
        each=-(-examples // 2),
    )
    return [_card(row, shared) for row in topics.iter_rows(named=True)]


def bursts_of(inputs: ReportInputs) -> dict[int, list[dict[str, Any]]]:
    """The bursts of each topic, oldest first."""
    found: dict[int, list[dict[str, Any]]] = {}
    shares = inputs.table("topics", "shares")
    if shares is not None:
        bursts = shares.filter("burst").sort("topic", "partition")
        for row in bursts.iter_rows(named=True):
            found.setdefault(int(row["topic"]), []).append(row)
    return found


def _card(row: Mapping[str, Any], shared: _Shared) -> Topic:
    inputs, line = shared.inputs, shared.line
    members = shared.rows.filter(pl.col("topic") == row["topic"])
    rate = label_mean(members) if is_number(inputs) else label_rate(members, positive(inputs))
    bursts = shared.bursts.get(row["topic"], [])
    typical = _texts(row["typical"], shared, [])
    return Topic(
        name=row["name"],
        rows=int(row["rows"]),
        share=float(row["share"]),
        colour=shared.hues.colour(row["topic"]),
        rate=rate.share,
        rate_words=rate.words,
        rate_bounds=rate.bounds,
        trend=_trend(members, shared),
        marked=line.marks(burst["partition"] for burst in bursts),
        bursts=[_burst(burst) for burst in bursts[: -BURSTS - 1 : -1]],
        more_bursts=max(len(bursts) - BURSTS, 0),
        terms=[cut(term, 40) for term in row["terms"][:TERMS]],
        typical=typical,
        central=_texts(row["central"], shared, typical),
        notes=_notes(row, line),
    )


def _burst(row: Mapping[str, Any]) -> TopicBurst:
    expected = row["expected"]
    text = f"about {count(expected)}" if expected >= 1 else "hardly any"
    return TopicBurst(cut(row["partition"], 40), int(row["rows"]), text)


def _notes(row: Mapping[str, Any], line: Timeline) -> list[str]:
    notes = []
    if row["coherence"] is not None and row["coherence"] < LOOSE:
        notes.append("Its words seldom come together.")
    if row["born"] and len(line) and row["born"] > line.partitions[0]:
        notes.append(f"Known since {cut(row['born'], 40)}.")
    return notes


def _trend(members: pl.DataFrame, shared: _Shared) -> list[float]:
    """The topic's share of the rows in each period, from 0 to 1."""
    if shared.line.periods < 3:
        return []
    shares = shared.line.counts(members) / np.maximum(shared.line.counts(shared.rows), 1)
    return [round(float(share), 5) for share in shares]


def _texts(ids: Sequence[str], shared: _Shared, shown: list[str]) -> list[str]:
    """A topic's texts without those that repeat an earlier one but for case and signs."""
    texts = [*shown, *(shared.texts[row] for row in ids if row in shared.texts)]
    bare = {"".join(filter(str.isalnum, text.casefold())) or text: text for text in texts[::-1]}
    kept = [text for text in texts if text in bare.values() and text not in shown]
    return list(dict.fromkeys(kept))[: shared.each]
