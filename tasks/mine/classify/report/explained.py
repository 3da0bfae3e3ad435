"""Some rows one by one: what speaks for and against their predictions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.classify.report.model import Bar, Explained, Piece
from fusemine.tasks.report.model import Quote
from fusemine.tasks.report.words import amount, cut, finite, named, percent, signed, signed_amount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import ReportInputs

ROWS, WORDS, BARS = 50, 200, 6
STEPS = (0.1, 0.3, 0.55, 0.8)
"""From these parts of the weightiest word on, a word gets the first to the fourth shade."""
FAINT = 0.05
"""A text whose words all weigh less than this part of the strongest column stays pale."""


def explained(
    inputs: ReportInputs, rows: pl.DataFrame, found: Sequence[Mapping[str, Any]]
) -> tuple[list[Explained], list[Explained]]:
    """The rows that are shown, one of each kind and at least three, and those that are folded."""
    known = _facts(inputs, rows, [str(one.get("row_id")) for one in found[:ROWS]])
    cards = [_card(one, known.get(str(one.get("row_id")), {})) for one in found[:ROWS]]
    first = {str(one.get("why")): place for place, one in reversed(list(enumerate(found[:ROWS])))}
    shown = sorted(first.values())
    rest = [place for place in range(len(cards)) if place not in shown]
    missing = max(0, 3 - len(shown))
    shown, rest = sorted(shown + rest[:missing]), rest[missing:]
    return [cards[k] for k in shown], [cards[k] for k in rest]


def _facts(inputs: ReportInputs, rows: pl.DataFrame, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Partition, label and prediction of some rows, by id."""
    chosen = rows.filter(pl.col("row_id").is_in(ids)).select("row_id", "partition", "label")
    predictions = inputs.table("classify")
    if predictions is not None:
        said = predictions.select("row_id", "prediction")
        chosen = chosen.join(said, on="row_id", how="left", maintain_order="left")
    return {str(row["row_id"]): row for row in chosen.iter_rows(named=True)}


def _card(one: Mapping[str, Any], facts: Mapping[str, Any]) -> Explained:
    features = list(one.get("features") or [])
    strongest = max((abs(_size(f, "contribution")) for f in features), default=0.0)
    pieces = _pieces(list(one.get("words") or [])[:WORDS], strongest)
    numbers = one.get("scale") == "number"
    label = facts.get("label")
    return Explained(
        title=_title(str(one.get("why")), facts, numbers),
        said=_said(one),
        quote=Quote(
            row_id=cut(one.get("row_id"), 60),
            partition=cut(facts.get("partition") or "", 40),
            text="" if pieces else "(no text)",
            label=f"labelled {named(label, numbers)}" if label is not None else "",
        ),
        pieces=pieces,
        bars=_bars(features, finite(one.get("others")), strongest, numbers),
    )


def _title(why: str, facts: Mapping[str, Any], numbers: bool) -> str:
    if why in {"mistake", "error"}:
        return _mistake(facts, numbers)
    titles = {
        "surest": "Among the surest",
        "close": "A close call",
        "highest": "Among the highest predictions",
        "typical": "A typical prediction",
    }
    return titles.get(why, "A row")


def _mistake(facts: Mapping[str, Any], numbers: bool) -> str:
    if numbers:
        return "Among the largest errors"
    said = facts.get("prediction")
    if said is None or said == facts.get("label"):
        return "A mistake"
    return f"A mistake: called “{cut(said, 40)}”"


def _said(one: Mapping[str, Any]) -> str:
    """The prediction, and that for the average row."""
    found, base = finite(one.get("prediction")), finite(one.get("base"))
    if one.get("scale") == "number":
        return f"foretold {amount(found)}; {amount(base)} for the average row"
    if one.get("scale") == "log-odds":
        found, base = _probability(found), _probability(base)
    output = cut(one.get("output") or "", 40)
    return f"{percent(found)} “{output}”; {percent(base)} for the average row"


def _probability(log_odds: float | None) -> float | None:
    if log_odds is None:
        return None
    # From the negative size, so that the exponential cannot overflow.
    part = math.exp(-abs(log_odds))
    return (1.0 if log_odds >= 0 else part) / (1.0 + part)


def _pieces(words: Sequence[Mapping[str, Any]], strongest: float) -> list[Piece]:
    weights = [_size(word, "weight") for word in words]
    scale = max([*map(abs, weights), FAINT * strongest]) or 1.0
    return [
        Piece(cut(word.get("text") or "", 120), _step(weight / scale))
        for word, weight in zip(words, weights, strict=True)
    ]


def _step(part: float) -> int:
    step = sum(abs(part) >= least for least in STEPS)
    return step if part >= 0 else -step


def _bars(
    features: Sequence[Mapping[str, Any]], others: float | None, strongest: float, numbers: bool
) -> list[Bar]:
    told, rest = features[:BARS], features[BARS:]
    left = (others or 0.0) + sum(_size(feature, "contribution") for feature in rest)
    bars = [_bar(f, strongest, numbers) for f in told]
    return [*bars, _bar_of("all else", "", left, strongest, numbers)] if bars else []


def _bar(feature: Mapping[str, Any], strongest: float, numbers: bool) -> Bar:
    kind, value = feature.get("kind"), cut(feature.get("value") or "", 60)
    name = {"text": "the text", "time": "event time"}.get(str(kind))
    # The text stands above its bars, and of a time the minute is enough.
    value = {"text": "", "time": value[:16].replace("T", " ")}.get(str(kind), value)
    size = _size(feature, "contribution")
    return _bar_of(name or cut(feature.get("name") or "", 60), value, size, strongest, numbers)


def _bar_of(name: str, value: str, size: float, strongest: float, numbers: bool) -> Bar:
    said = signed_amount(size) if numbers else signed(size, 2)
    return Bar(name, value, said, size / strongest if strongest else 0.0)


def _size(one: Mapping[str, Any], key: str) -> float:
    return finite(one.get(key)) or 0.0
