"""A card for each topic: its size, its course, its label, its words and its texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.topics.report.model import Topic, TopicBurst
from fusemine.tasks.mine.topics.report.themes import Palette, palette
from fusemine.tasks.report.facts import quoted
from fusemine.tasks.report.rates import Rate, is_number, mean_rated, positive, rated
from fusemine.tasks.report.timeline import Timeline, timeline
from fusemine.tasks.report.words import count, cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import ReportInputs

STRETCHES, BURSTS, TERMS = 30, 3, 10
"""Points of a sparkline, bursts that a card names, and its words."""
LOW = 0.0
"""A topic whose words have less coherence (mean NPMI) than this is said to be loose: at 0 they
come together as often as chance would have it."""


@dataclass(frozen=True)
class _Drawn:
    """What the cards are made from; `bursts` are those of each topic, oldest first."""

    rows: pl.DataFrame
    line: Timeline
    followed: str | None
    numbers: bool
    hues: Palette
    texts: dict[str, str]
    bursts: dict[int, list[dict[str, Any]]]
    each: int
    """Texts of either kind on a card."""


def trend_line(inputs: ReportInputs) -> Timeline:
    """The stretches of the cards' sparklines."""
    return timeline(inputs, STRETCHES)


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
    each = -(-examples // 2)
    ids = [str(i) for name in ("typical", "central") for its in topics[name] for i in its[:10]]
    drawn = _Drawn(
        rows=rows,
        line=trend_line(inputs),
        followed=positive(inputs),
        numbers=is_number(inputs),
        hues=palette(inputs),
        texts=quoted(rows, ids, 220),
        bursts=bursts_of(inputs),
        each=each,
    )
    return [_card(row, drawn) for row in topics.iter_rows(named=True)]


def bursts_of(inputs: ReportInputs) -> dict[int, list[dict[str, Any]]]:
    """The bursts of each topic, oldest first."""
    found: dict[int, list[dict[str, Any]]] = {}
    shares = inputs.table("topics", "shares")
    if shares is not None:
        bursts = shares.filter("burst").sort("topic", "partition")
        for row in bursts.iter_rows(named=True):
            found.setdefault(int(row["topic"]), []).append(row)
    return found


def _card(row: Mapping[str, Any], drawn: _Drawn) -> Topic:
    members = drawn.rows.filter(pl.col("topic") == row["topic"])
    its = _label(members, drawn)
    bursts = drawn.bursts.get(row["topic"], [])
    typical = _texts(row["typical"], drawn, [])
    return Topic(
        name=row["name"],
        rows=int(row["rows"]),
        share=float(row["share"]),
        colour=drawn.hues.colour(row["topic"]),
        rate=its.share,
        rate_words=its.words,
        rate_bounds=its.bounds,
        trend=_trend(members, drawn),
        marked=drawn.line.marks(burst["partition"] for burst in bursts),
        bursts=[_burst(burst) for burst in bursts[: -BURSTS - 1 : -1]],
        more_bursts=max(len(bursts) - BURSTS, 0),
        terms=[cut(term, 40) for term in row["terms"][:TERMS]],
        typical=typical,
        central=_texts(row["central"], drawn, typical),
        notes=_notes(row, drawn.line),
    )


def _label(members: pl.DataFrame, drawn: _Drawn) -> Rate:
    return mean_rated(members) if drawn.numbers else rated(members, drawn.followed)


def _burst(row: Mapping[str, Any]) -> TopicBurst:
    expected = row["expected"]
    usual = f"about {count(expected)}" if expected >= 1 else "hardly any"
    return TopicBurst(cut(row["partition"], 40), int(row["rows"]), usual)


def _notes(row: Mapping[str, Any], line: Timeline) -> list[str]:
    said = []
    if row["coherence"] is not None and row["coherence"] < LOW:
        said.append("Its words seldom come together.")
    if row["born"] and len(line) and row["born"] > line.partitions[0]:
        said.append(f"Known since {cut(row['born'], 40)}.")
    return said


def _trend(members: pl.DataFrame, drawn: _Drawn) -> list[float]:
    """The topic's share of the rows in each stretch, from 0 to 1."""
    if drawn.line.stretches < 3:
        return []
    shares = drawn.line.counts(members) / np.maximum(drawn.line.counts(drawn.rows), 1)
    return [round(float(share), 5) for share in shares]


def _texts(ids: Sequence[str], drawn: _Drawn, shown: list[str]) -> list[str]:
    """A topic's texts without those that repeat an earlier one but for case and signs."""
    texts = [*shown, *(drawn.texts[row] for row in ids if row in drawn.texts)]
    bare = {"".join(filter(str.isalnum, text.casefold())) or text: text for text in texts[::-1]}
    kept = [text for text in texts if text in bare.values() and text not in shown]
    return list(dict.fromkeys(kept))[: drawn.each]
