"""What the model rests on: columns, the words of each class, and some rows one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.explained import explained
from fusemine.tasks.mine.classify.report.metrics import IN_UNIT, leading, metric_name
from fusemine.tasks.mine.classify.report.model import Bar, Reasons
from fusemine.tasks.report.words import cut, finite, known, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from fusemine.tasks.report.model import ReportInputs, Summary

BARS, TERMS, SHOWN_TERMS, CLASSES = 12, 15, 3, 20


def reasons(inputs: ReportInputs, rows: pl.DataFrame, summary: Summary) -> Reasons | None:
    """The section; None where there is nothing to show."""
    parts = [part for part in summary.get("importance") or [] if known(part.get("fall"))]
    found = list(summary.get("explanations") or [])
    terms = _terms(summary.get("terms"))
    if not (parts or found or terms):
        return None
    shown, folded = explained(inputs, rows, found)
    metric = leading(summary)
    return Reasons(
        lead=_lead(parts, metric),
        metric=metric_name(metric),
        bars=_bars(parts, metric),
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
    if len(wholes) == 2 and max(map(_fall, wholes)) > 0:
        first, second = sorted(wholes, key=lambda part: -_fall(part))
        return f"{_rests(first, metric)}; {_other(second, first, metric)}."
    if parts and _fall(parts[0]) > 0:
        return f"{_rests(parts[0], metric)}."
    return ""


def _rests(part: Mapping[str, Any], metric: str) -> str:
    return (
        f"It rests most on {_name(part)}: when that is shuffled between the test rows, the "
        f"{metric_name(metric)} gets worse by {_by(_fall(part), metric, _fall(part))}"
    )


def _other(part: Mapping[str, Any], first: Mapping[str, Any], metric: str) -> str:
    if _fall(part) <= 0:
        return f"shuffling {_name(part)} does no harm"
    return f"when {_name(part)} is, by {_by(_fall(part), metric, _fall(first))}"


def _by(fall: float, metric: str, most: float) -> str:
    """A fall; in the label's unit with as many decimals as the largest fall asks for."""
    if metric not in IN_UNIT or most <= 0:
        return number(fall)
    decimals = min(max(3 - math.floor(math.log10(most)), 0), 12)
    return f"{fall:,.{decimals}f}".replace("-", "−")


def _fall(part: Mapping[str, Any]) -> float:
    return finite(part.get("fall")) or 0.0


def _name(part: Mapping[str, Any]) -> str:
    kind = part.get("kind")
    fixed = {"text": "the text", "table": "the whole table", "time": "event time"}
    return fixed.get(str(kind)) or cut(part.get("name") or "", 60)


def _bars(parts: Sequence[Mapping[str, Any]], metric: str) -> list[Bar]:
    most = max((abs(_fall(part)) for part in parts), default=0.0) or 1.0
    return [
        Bar(
            name=_name(part),
            value=_deviation(part, metric, most),
            said=_by(_fall(part), metric, most),
            share=_fall(part) / most,
        )
        for part in parts[:BARS]
    ]


def _deviation(part: Mapping[str, Any], metric: str, most: float) -> str:
    deviation = finite(part.get("deviation"))
    return "" if deviation is None else f"± {_by(deviation, metric, most)}"


def _terms(terms: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    found = list((terms or {}).items())[:CLASSES]
    return [(cut(name, 60), [_term(t) for t in words[:TERMS]]) for name, words in found if words]


def _term(term: Any) -> str:
    return cut(term if isinstance(term, str) else term[0], 40)


def _legend(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the bars and shades of the explained rows mean."""
    if not found:
        return []
    scale = {"number": "the label's unit", "log-odds": "log-odds"}.get(
        str(found[0].get("scale")), "probability"
    )
    said = [
        f"Bars: what a column adds to the prediction or takes from it (Shapley values), in {scale}."
    ]
    if any(one.get("words") for one in found):
        said.append("Words are shaded by what the prediction loses without them.")
    if any(one.get("vectors") == "kept" and one.get("words") for one in found):
        said.append(
            "The vectors of the texts stayed as they were meanwhile, so words weigh more than it "
            "seems."
        )
    return said
