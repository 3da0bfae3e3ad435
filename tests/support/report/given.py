"""The tables and summaries of a report's inputs by short names, and what a report shows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.mine.classify.report.model import Label
from fusemine.tasks.report.assemble import assemble
from fusemine.tasks.report.model import ReportInputs, ReportModel
from fusemine.tasks.report.settings import ReportSettings
from support.report.summaries import full_summary

Make = Callable[..., ReportInputs]
TWO = ("negative", "positive")
TABLES = {
    "predictions": ("classify", MAIN),
    "doubts": ("classify", "doubts"),
    "clusters": ("topics", MAIN),
    "topics": ("topics", "topics"),
    "themes": ("topics", "themes"),
    "shares": ("topics", "shares"),
    "crossed": ("topics", "crossed"),
    "events": ("topics", "events"),
    "anomalies": ("anomalies", MAIN),
    "repeats": ("anomalies", "repeats"),
    "bursts": ("anomalies", "bursts"),
    "watch": ("monitor", MAIN),
}
SUMMARIES = {
    "classification": "classify",
    "clustering": "topics",
    "anomaly": "anomalies",
    "watching": "monitor",
    "challenge": "challenge",
}


def changed(inputs: ReportInputs, **given: Any) -> ReportInputs:
    """The inputs with other values, tables and summaries; None takes one of these away."""
    fields = {n: value for n, value in given.items() if n not in TABLES and n not in SUMMARIES}
    tables = {stage: dict(found) for stage, found in inputs.tables.items()}
    summaries = dict(inputs.summaries)
    for name in given.keys() & TABLES.keys():
        stage, table = TABLES[name]
        tables.setdefault(stage, {}).pop(table, None)
        if given[name] is not None:
            tables[stage][table] = given[name].clone
    for name in given.keys() & SUMMARIES.keys():
        summaries[SUMMARIES[name]] = given[name]
    kept = {stage: summary for stage, summary in summaries.items() if summary is not None}
    return replace(inputs, **fields, tables=tables, summaries=kept)


def table_of(inputs: ReportInputs, name: str) -> pl.DataFrame:
    """A table, which is there."""
    stage, table = TABLES[name]
    return inputs.tables[stage][table]()


def model_of(inputs: ReportInputs, **settings: Any) -> ReportModel:
    """The model of a report."""
    return assemble(inputs, ReportSettings(**settings), GRAPH)


def content(model: ReportModel, anchor: str) -> Any:
    """What a section of the page shows; None where there is no such section."""
    return next((view.content for view in model.views if view.anchor == anchor), None)


def label_of(inputs: ReportInputs) -> Label:
    """The label's section, which was not skipped."""
    section = content(model_of(inputs), "label")
    assert isinstance(section, Label)
    return section


def label_section(make: Make, **changed: Any) -> Label:
    """The section of a full summary, some parts of it changed."""
    return label_of(make(classification=full_summary(TWO) | changed))
