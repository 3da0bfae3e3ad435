"""What the model rests on: columns, the words of each class, and some rows one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.classify.report.metrics import IN_UNIT, leading, metric_name
from fusemine.tasks.mine.classify.report.model import Bar, ExplainedRow, Piece, Reasons
from fusemine.tasks.report.model import Quote
from fusemine.tasks.report.words import (
    amount,
    cut,
    finite,
    known,
    named,
    number,
    percent,
    signed,
    signed_amount,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import ReportInputs, Summary

BARS, TERMS, SHOWN_TERMS, CLASSES = 12, 15, 3, 20
ROWS, WORDS, ROW_BARS = 50, 200, 6
STEPS = (0.1, 0.3, 0.55, 0.8)
"""From these parts of the largest weight on, a word gets the first to the fourth shade."""
FAINT = 0.05
"""A text whose words all weigh less than this part of the strongest column stays pale."""
TITLES = {
    "surest": "Among the surest",
    "close": "A close call",
    "highest": "Among the highest predictions",
    "typical": "A typical prediction",
}


def reasons(inputs: ReportInputs, rows: pl.DataFrame, summary: Summary) -> Reasons | None:
    """The section; None where there is nothing to show."""
    parts = [part for part in summary.get("importance") or [] if known(part.get("fall"))]
    found = list(summary.get("explanations") or [])
    terms = _terms(summary.get("terms"))
    if not (parts or found or terms):
        return None
    shown, folded = explained_rows(inputs, rows, found)
    metric = leading(summary)
    return Reasons(
        lead=_lead(parts, metric),
        metric=metric_name(metric),
        bars=_importance(parts, metric),
        more=max(0, len(parts) - BARS),
        terms=terms[:SHOWN_TERMS],
        more_terms=terms[SHOWN_TERMS:],
        explained=shown,
        folded=folded,
        legend=_legend(found),
    )


def _lead(parts: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Whether it rests more on the text or on the table; where both do not help, on what else."""
    wholes = [part for part in parts if part.get("kind") in {"text", "table"}]
    if len(wholes) == 2 and max(_number(part, "fall") for part in wholes) > 0:
        first, second = sorted(wholes, key=lambda part: -_number(part, "fall"))
        return f"{_rests(first, metric)}; {_other(second, first, metric)}."
    if parts and _number(parts[0], "fall") > 0:
        return f"{_rests(parts[0], metric)}."
    return ""


def _rests(part: Mapping[str, Any], metric: str) -> str:
    fall = _number(part, "fall")
    return (
        f"It rests most on {_name(part)}: when that is shuffled between the test rows, the "
        f"{metric_name(metric)} gets worse by {_by(fall, metric, fall)}"
    )


def _other(part: Mapping[str, Any], first: Mapping[str, Any], metric: str) -> str:
    fall = _number(part, "fall")
    if fall <= 0:
        return f"shuffling {_name(part)} does no harm"
    return f"when {_name(part)} is, by {_by(fall, metric, _number(first, 'fall'))}"


def _by(fall: float, metric: str, most: float) -> str:
    """A fall; in the label's unit with as many decimals as the largest fall asks for."""
    if metric not in IN_UNIT or most <= 0:
        return number(fall)
    decimals = min(max(3 - math.floor(math.log10(most)), 0), 12)
    return f"{fall:,.{decimals}f}".replace("-", "−")


def _name(part: Mapping[str, Any]) -> str:
    fixed = {"text": "the text", "table": "the whole table", "time": "event time"}
    return fixed.get(str(part.get("kind"))) or cut(part.get("name") or "", 60)


def _importance(parts: Sequence[Mapping[str, Any]], metric: str) -> list[Bar]:
    most = max((abs(_number(part, "fall")) for part in parts), default=0.0) or 1.0
    bars = []
    for part in parts[:BARS]:
        fall, deviation = _number(part, "fall"), finite(part.get("deviation"))
        detail = "" if deviation is None else f"± {_by(deviation, metric, most)}"
        bars.append(Bar(_name(part), detail, fall / most, _by(fall, metric, most)))
    return bars


def _terms(terms: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    found = list((terms or {}).items())[:CLASSES]
    return [(cut(name, 60), [_term(t) for t in words[:TERMS]]) for name, words in found if words]


def _term(term: Any) -> str:
    return cut(term if isinstance(term, str) else term[0], 40)


def _legend(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the bars and shades of the explained rows mean."""
    if not found:
        return []
    scale = "the label's unit" if found[0].get("scale") == "number" else "log-odds"
    legend = [
        f"Bars: what a column adds to the prediction or takes from it (Shapley values), in {scale}."
    ]
    with_words = [one for one in found if one.get("words")]
    if with_words:
        legend.append("Words are shaded by what the prediction loses without them.")
    if any(one.get("vectors") == "kept" for one in with_words):
        legend.append(
            "The vectors of the texts were not computed again without the words, so words count "
            "more than is shown."
        )
    return legend


def explained_rows(
    inputs: ReportInputs, rows: pl.DataFrame, found: Sequence[Mapping[str, Any]]
) -> tuple[list[ExplainedRow], list[ExplainedRow]]:
    """The rows that are shown, one of each kind and at least three, and those that are folded.

    Args:
        inputs: The run.
        rows: The facts on each row.
        found: The explanations of the summary.
    """
    facts = _facts(inputs, rows, [str(one.get("row_id")) for one in found[:ROWS]])
    cards = [_card(one, facts.get(str(one.get("row_id")), {})) for one in found[:ROWS]]
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
        own = predictions.select("row_id", "prediction")
        chosen = chosen.join(own, on="row_id", how="left", maintain_order="left")
    return {str(row["row_id"]): row for row in chosen.iter_rows(named=True)}


def _card(one: Mapping[str, Any], facts: Mapping[str, Any]) -> ExplainedRow:
    features = list(one.get("features") or [])
    strongest = max((abs(_number(f, "contribution")) for f in features), default=0.0)
    pieces = _pieces(list(one.get("words") or [])[:WORDS], strongest)
    numbers, label = one.get("scale") == "number", facts.get("label")
    return ExplainedRow(
        title=_title(str(one.get("why")), facts, numbers),
        prediction=_prediction(one),
        quote=Quote(
            row_id=cut(one.get("row_id"), 60),
            partition=cut(facts.get("partition") or "", 40),
            text="" if pieces else "(no text)",
            label=f"labelled {named(label, numbers)}" if label is not None else "",
        ),
        pieces=pieces,
        bars=_contributions(features, finite(one.get("others")), strongest, numbers),
    )


def _title(why: str, facts: Mapping[str, Any], numbers: bool) -> str:
    if why not in {"mistake", "error"}:
        return TITLES.get(why, "A row")
    if numbers:
        return "Among the largest errors"
    called = facts.get("prediction")
    if called is None or called == facts.get("label"):
        return "A mistake"
    return f"A mistake: called “{cut(called, 40)}”"


def _prediction(one: Mapping[str, Any]) -> str:
    """The prediction, and that for the average row."""
    found, base = finite(one.get("prediction")), finite(one.get("base"))
    if one.get("scale") == "number":
        return f"predicted {amount(found)}; {amount(base)} for the average row"
    shares = percent(_probability(found)), percent(_probability(base))
    return f"{shares[0]} “{cut(one.get('output') or '', 40)}”; {shares[1]} for the average row"


def _probability(log_odds: float | None) -> float | None:
    if log_odds is None:
        return None
    # From the negative size, so that the exponential cannot overflow.
    part = math.exp(-abs(log_odds))
    return (1.0 if log_odds >= 0 else part) / (1.0 + part)


def _pieces(words: Sequence[Mapping[str, Any]], strongest: float) -> list[Piece]:
    weights = [_number(word, "weight") for word in words]
    scale = max([*map(abs, weights), FAINT * strongest]) or 1.0
    return [
        Piece(cut(word.get("text") or "", 120), _step(weight / scale))
        for word, weight in zip(words, weights, strict=True)
    ]


def _step(part: float) -> int:
    step = sum(abs(part) >= least for least in STEPS)
    return step if part >= 0 else -step


def _contributions(
    features: Sequence[Mapping[str, Any]], others: float | None, strongest: float, numbers: bool
) -> list[Bar]:
    sizes = [_number(feature, "contribution") for feature in features]
    rows = [
        (*_named_value(feature), size)
        for feature, size in zip(features[:ROW_BARS], sizes, strict=False)
    ]
    if rows:
        rows.append(("all else", "", (others or 0.0) + sum(sizes[ROW_BARS:])))
    return [
        Bar(
            name,
            value,
            size / strongest if strongest else 0.0,
            signed_amount(size) if numbers else signed(size, 2),
        )
        for name, value, size in rows
    ]


def _named_value(feature: Mapping[str, Any]) -> tuple[str, str]:
    kind, value = feature.get("kind"), cut(feature.get("value") or "", 60)
    # The text stands above its bars, and of a time the minute is enough.
    if kind == "text":
        return "the text", ""
    if kind == "time":
        return "event time", value[:16].replace("T", " ")
    return cut(feature.get("name") or "", 60), value


def _number(one: Mapping[str, Any], key: str) -> float:
    return finite(one.get(key)) or 0.0
