"""What follows the model in use: a new one that was compared with it, and when one is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fusemine.tasks.report.words import amount, count, cut, finite, known, sentence, signed_amount
from fusemine.tasks.serving.monitor.report.model import Compared, Due, Line
from fusemine.tasks.serving.monitor.report.since import ID, was_followed

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs, Summary

REASONS = 6
LEAST_P = 1e-6
_WORDS = {"champion": "the model in use before", "challenger": "the new model"}


def compared(inputs: ReportInputs) -> Compared | None:
    """A new model against the one in use; None where there was no new one."""
    found = inputs.summary("challenge")
    if found is None:
        return None
    rows = int(finite(found.get("rows")) or 0)
    lines = [] if found.get("why_not") else _lines(found)
    on = f"on {count(rows)} rows that neither has learnt from"
    return Compared(_outcome(inputs, found), on, cut(found.get("loss") or "loss", 40), lines)


def due(inputs: ReportInputs) -> Due:
    """Whether the model in use should be retrained."""
    watching = inputs.summary("monitor") or {}
    told = [cut(reason, 300) for reason in (watching.get("reasons") or [])[:REASONS]]
    reasons = [_said(reason) for reason in told if reason]
    if not reasons:
        return Due("No rule says when it is to be trained anew (models.retrain).", [])
    if not watching.get("due"):
        return Due("It is not due to be trained anew.", reasons)
    if was_followed(inputs):
        new = _model(inputs.summary("challenge") or {}, "challenger")
        return Due(f"It was due to be trained anew, and {new} was trained.", reasons)
    return Due("It is due to be trained anew.", reasons)


def _lines(found: Summary) -> list[Line]:
    low, high = (found.get("interval") or (None, None))[:2]
    bounds = f"{signed_amount(low)} to {signed_amount(high)}" if known(low) and known(high) else ""
    chance = finite(found.get("p_value"))
    return [
        Line(_named(found, "champion", "in use before"), _loss(found, "champion_loss")),
        Line(_named(found, "challenger", "new"), _loss(found, "challenger_loss")),
        Line("difference", signed_amount(finite(found.get("difference"))), bounds),
        Line("difference that is allowed", signed_amount(finite(found.get("margin")))),
        Line("p, if the new one were worse by that much", _chance(chance)),
    ]


def _model(found: Summary, which: str) -> str:
    """A model's id."""
    return cut(found.get(which) or _WORDS[which], ID)


def _named(found: Summary, which: str, more: str) -> str:
    return f"{_model(found, which)}, {more}" if found.get(which) else _WORDS[which]


def _loss(found: Summary, name: str) -> str:
    return amount(finite(found.get(name)), fixed=True)


def _chance(value: float | None) -> str:
    if value is not None and value < LEAST_P:
        return "< 0.000001"
    return amount(value, 2)


def _outcome(inputs: ReportInputs, found: Summary) -> str:
    """What became of a new model, in plain words."""
    old, new = _model(found, "champion"), _model(found, "challenger")
    if found.get("why_not"):
        why = cut(found["why_not"], 300)
        return _said(f"{new} could not be held against {old}, which stays in use: {why}")
    if found.get("not_worse"):
        return _said(f"{new} is {_better(found)} {old}: {_promoted(inputs)}")
    return _said(f"{new} {_worse(found)} {old}, which stays in use")


def _said(text: str) -> str:
    return sentence(text[:1].upper() + text[1:])


def _better(found: Summary) -> str:
    high = finite((found.get("interval") or (None, None))[1])
    return "better than" if high is not None and high < 0 else "not worse than"


def _worse(found: Summary) -> str:
    low = finite((found.get("interval") or (None, None))[0])
    if low is not None and low > 0:
        return "is worse than"
    return "was not shown to be as good as"


def _promoted(inputs: ReportInputs) -> str:
    """What follows from that, by the pipeline's settings."""
    models = inputs.settings.get("models")
    if isinstance(models, Mapping) and models.get("promote") == "hand":
        return "a person decides which one is used (models.promote is hand)"
    # What predicted the run's partition was trained before it, so the new one is the later one.
    return "it may take its place" if was_followed(inputs) else "the later one of the two is used"
