"""The section on the models in use: their performance on later partitions, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report.model import Estimate
from fusemine.tasks.report import words
from fusemine.tasks.report.markdown import bullets, chapter
from fusemine.tasks.report.model import Figure, Part, ReportInputs, Skipped, View
from fusemine.tasks.serving.monitor.report import charts
from fusemine.tasks.serving.monitor.report.model import Comparison, InUse, Result, Retraining, Term
from fusemine.tasks.serving.monitor.report.performance import ID, Performance
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from fusemine.tasks.report.model import Summary
    from fusemine.tasks.report.settings import ReportSettings

MOST, RECENT, TERMS = 120, 12, 4
"""Partitions in the charts and in the table; terms that are listed below the charts."""
REASONS, LEAST_P = 6, 1e-6
_NAMES = {"champion": "the model in use before", "challenger": "the new model"}


def section(inputs: ReportInputs, _: pl.DataFrame, __: ReportSettings) -> Part:
    """The models in use, also in short; nothing in a run without one and without a new one."""
    if inputs.summary("monitor") is None and inputs.summary("challenge") is None:
        return Part()
    found = _performance(inputs)
    content = _in_use(inputs, found)
    return Part(
        views=[View("in-use", "The model in use", "in_use.html.j2", content, charts=charts)],
        finding=found.finding() if found else "",
        continues=True,
        summary=_summary(content),
    )


def _performance(inputs: ReportInputs) -> Performance | None:
    """How the model in use did; None where none was monitored or it predicts no label."""
    rows, summary = inputs.table("monitor"), inputs.summary("monitor") or {}
    if rows is None or not summary.get("label"):
        return None
    return Performance(summary, rows.sort("partition"), _has_successor(inputs))


def _has_successor(inputs: ReportInputs) -> bool:
    """Whether a new model was compared with the one in use already."""
    challenge = inputs.summary("challenge")
    if challenge is None:
        return False
    model = (inputs.summary("monitor") or {}).get("model")
    return bool(challenge.get("champion", model) == model)


def _in_use(inputs: ReportInputs, found: Performance | None) -> InUse | Skipped:
    """How the models in use did, and the outcome of a new one."""
    compared = _comparison(inputs)
    if found is None and compared is not None:
        return InUse(lead=compared.lead, comparison=compared)
    if found is None:
        named = (inputs.summary("monitor") or {}).get("model")
        model = words.cut(named or "The model in use", ID)
        return Skipped(f"{model} predicts no label, so its performance cannot be measured.")
    results = _results(inputs, found)
    terms = _terms(results)
    return InUse(
        lead=found.lead(),
        attention=found.alerts(),
        performance=found,
        results=results[-MOST:],
        earlier=len(results[:-MOST]),
        recent=[result for result in results if result.model][: -RECENT - 1 : -1],
        terms=terms[:TERMS],
        more_terms=len(terms[TERMS:]),
        comparison=compared,
        retraining=_retraining(inputs),
    )


def _summary(section: InUse | Skipped) -> str:
    """The chapter of the Markdown summary."""
    title = "The model in use"
    if isinstance(section, Skipped):
        return chapter(title, escape_markdown(section.lead))
    parts = (section, section.comparison, section.retraining)
    lines = dict.fromkeys(part.lead for part in parts if part)
    return chapter(title, bullets(lines))


def _results(inputs: ReportInputs, found: Performance) -> list[Result]:
    """The partitions of the table, and those between them that have no rows."""
    current, before, results = found.summary["model"], None, []
    for part in found.rows.iter_rows(named=True):
        results.append(
            Result(
                partition=words.cut(part["partition"], ID),
                model=words.cut(part["model"], ID),
                current=part["model"] == current,
                took_over=before not in (None, part["model"]),
                rows=part["rows"],
                labelled=part["labelled"],
                metric=found.metric_of(part),
                gap=found.gap_of(part),
            )
        )
        before = part["model"]
    ends = [result.partition for result in results[:1] + results[-1:]]
    gaps = [gap for gap in inputs.gaps if results and ends[0] < gap < ends[-1]]
    return sorted([*results, *map(Result, gaps)], key=lambda result: result.partition)


def _terms(results: Sequence[Result]) -> list[Term]:
    """Which model predicted which partitions, the newest first."""
    terms = []
    mined = [result for result in results if result.model]
    for (model, current), run in groupby(mined, key=lambda result: (result.model, result.current)):
        names = [result.partition for result in run]
        last = f" to {names[-1]}" if len(names) > 1 else ""
        terms.append(Term(model, current, f"{names[0]}{last}"))
    return terms[::-1]


def _comparison(inputs: ReportInputs) -> Comparison | None:
    """A new model compared with the one in use; None where there was no new one."""
    found = inputs.summary("challenge")
    if found is None:
        return None
    rows = int(words.finite(found.get("rows")) or 0)
    lines = [] if found.get("why_not") else _lines(found)
    on = f"on {words.count(rows)} rows that neither model was trained on"
    loss = words.cut(found.get("loss") or "loss", 40)
    return Comparison(_outcome(inputs, found), on, loss, lines)


def _retraining(inputs: ReportInputs) -> Retraining:
    """Whether the model in use is due for retraining."""
    summary = inputs.summary("monitor") or {}
    found = [words.cut(reason, 300) for reason in (summary.get("reasons") or [])[:REASONS]]
    reasons = [words.sentence(words.capital(reason)) for reason in found if reason]
    if not reasons:
        return Retraining("There is no rule for retraining (models.retrain).", [])
    if not summary.get("due"):
        return Retraining("It is not due for retraining.", reasons)
    if _has_successor(inputs):
        new = _model(inputs.summary("challenge") or {}, "challenger")
        return Retraining(f"It was due for retraining, and {new} was trained.", reasons)
    return Retraining("It is due for retraining.", reasons)


def _lines(found: Summary) -> list[Figure]:
    low, high = (found.get("interval") or (None, None))[:2]
    bounds = Estimate(None, low, high, words.signed_amount).bounds
    p_value = words.finite(found.get("p_value"))
    is_small = p_value is not None and p_value < LEAST_P
    chance = "< 0.000001" if is_small else words.amount(p_value, 2)
    return [
        Figure(_named(found, "champion", "in use before"), _loss(found, "champion_loss")),
        Figure(_named(found, "challenger", "new"), _loss(found, "challenger_loss")),
        Figure("difference", words.signed_amount(words.finite(found.get("difference"))), bounds),
        Figure("allowed difference", words.signed_amount(words.finite(found.get("margin")))),
        Figure("p-value, if the new model were worse by that much", chance),
    ]


def _model(found: Summary, which: str) -> str:
    """A model's id."""
    return words.cut(found.get(which) or _NAMES[which], ID)


def _named(found: Summary, which: str, more: str) -> str:
    return f"{_model(found, which)}, {more}" if found.get(which) else _NAMES[which]


def _loss(found: Summary, name: str) -> str:
    return words.amount(words.finite(found.get(name)), fixed=True)


def _outcome(inputs: ReportInputs, found: Summary) -> str:
    """The outcome for a new model, in plain words."""
    old, new = _model(found, "champion"), _model(found, "challenger")
    low, high = map(words.finite, (found.get("interval") or (None, None))[:2])
    if found.get("why_not"):
        why = words.cut(found["why_not"], 300)
        text = f"{new} could not be compared with {old}, which stays in use: {why}"
    elif found.get("not_worse"):
        verdict = "better" if high is not None and high < 0 else "not worse"
        text = f"{new} is {verdict} than {old}: {_consequence(inputs)}"
    else:
        worse = low is not None and low > 0
        verdict = "is worse than" if worse else "was not shown to be as good as"
        text = f"{new} {verdict} {old}, which stays in use"
    return words.sentence(words.capital(text))


def _consequence(inputs: ReportInputs) -> str:
    """What follows from that, by the pipeline's settings."""
    models = inputs.settings.get("models")
    if isinstance(models, Mapping) and models.get("promote") == "hand":
        return "a person decides which one is used (models.promote is hand)"
    # What predicted the run's partition was trained before it, so the new one is the later one.
    return "it may replace it" if _has_successor(inputs) else "the newer of the two is used"
