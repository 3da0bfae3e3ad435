"""The models in use: how they did on the partitions that came after them, one by one."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from fusemine.tasks.report.markdown import bullets, chapter
from fusemine.tasks.report.model import Part, ReportInputs, Skipped, View
from fusemine.tasks.report.words import cut
from fusemine.tasks.serving.monitor.report import charts
from fusemine.tasks.serving.monitor.report.model import InUse, Judged, Stint
from fusemine.tasks.serving.monitor.report.retraining import compared, due
from fusemine.tasks.serving.monitor.report.since import (
    ID,
    Since,
    attention,
    beyond_lead,
    lead,
    reading,
    since,
)
from fusemine.tasks.table.escaping import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from fusemine.tasks.report.settings import ReportSettings

MOST, RECENT, STINTS = 120, 12, 4
"""Partitions in the charts and in the table; models that are named below the charts."""


def section(inputs: ReportInputs, _: pl.DataFrame, __: ReportSettings) -> Part:
    """The models in use, also in short; nothing in a run without one and without a new one."""
    if inputs.summary("monitor") is None and inputs.summary("challenge") is None:
        return Part()
    found = in_use(inputs)
    return Part(
        views=[View("in-use", "The model in use", "in_use.html.j2", found, charts=charts)],
        finding=_finding(inputs),
        continues=True,
        summary=_summary(found),
    )


def in_use(inputs: ReportInputs) -> InUse | Skipped:
    """How the models in use did, and what became of a new one."""
    beside, found = compared(inputs), since(inputs)
    if found is None and beside is not None:
        return InUse(lead=beside.lead, compared=beside)
    if found is None:
        watching = inputs.summary("monitor") or {}
        model = cut(watching.get("model") or "The model in use", ID)
        return Skipped(f"{model} foretells no label, so nothing tells how well it does.")
    judged = _judged(inputs, found)
    stints = _stints(judged)
    return InUse(
        lead=lead(found),
        attention=beyond_lead(inputs, found),
        metric=found.name,
        reference=found.tested,
        gap_name="too high by" if found.is_number else "too high by, points",
        gap_unit=_gap_unit(found),
        judged=judged[-MOST:],
        earlier=len(judged[:-MOST]),
        recent=[one for one in judged if one.model][: -RECENT - 1 : -1],
        stints=stints[:STINTS],
        more_stints=len(stints[STINTS:]),
        remark=_remark(found),
        compared=beside,
        due=due(inputs),
    )


def _finding(inputs: ReportInputs) -> str:
    """What needs attention, if anything does."""
    said = attention(inputs)
    model = cut((inputs.summary("monitor") or {}).get("model") or "", ID)
    return f"In use before this run was {model}: {'; '.join(said)}." if said else ""


def _summary(section: InUse | Skipped) -> str:
    """The chapter of the Markdown summary."""
    title = "The model in use"
    if isinstance(section, Skipped):
        return chapter(title, escape(section.lead))
    parts = (section, section.compared, section.due)
    lines = dict.fromkeys(part.lead for part in parts if part)
    return chapter(title, bullets(lines))


def _judged(inputs: ReportInputs, found: Since) -> list[Judged]:
    """The partitions of the table, and those between them that have no rows."""
    current, before, judged = found.watching["model"], None, []
    for part in found.rows.iter_rows(named=True):
        judged.append(
            Judged(
                partition=cut(part["partition"], ID),
                model=cut(part["model"], ID),
                current=part["model"] == current,
                took_over=before not in (None, part["model"]),
                rows=part["rows"],
                labelled=part["labelled"],
                metric=found.scored(reading(part, "metric")),
                gap=found.gapped(reading(part, "gap")),
            )
        )
        before = part["model"]
    ends = [one.partition for one in judged[:1] + judged[-1:]]
    gaps = [gap for gap in inputs.gaps if judged and ends[0] < gap < ends[-1]]
    return sorted([*judged, *map(Judged, gaps)], key=lambda one: one.partition)


def _stints(judged: Sequence[Judged]) -> list[Stint]:
    """Which model predicted which partitions, the newest first."""
    stints = []
    mined = [one for one in judged if one.model]
    for (model, current), run in groupby(mined, key=lambda one: (one.model, one.current)):
        names = [one.partition for one in run]
        last = f" to {names[-1]}" if len(names) > 1 else ""
        stints.append(Stint(model, current, f"{names[0]}{last}"))
    return stints[::-1]


def _gap_unit(found: Since) -> str:
    """What the gap is counted in."""
    if found.is_number:
        return "in the unit of the label"
    positive = found.watching["label"].get("positive")
    of = f"of “{cut(positive, 40)}”" if positive else "of the likeliest class"
    return f"in percentage points of the probability {of}"


def _remark(found: Since) -> str:
    said = "Each partition was foretold by the model that was in use before it came."
    if found.is_number or found.watching["label"].get("positive") is None:
        return said
    rate = "Average precision also follows the share of positive rows, which no model can change."
    return f"{said} {rate}"
