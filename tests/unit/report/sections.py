"""Sections of a report, for its tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unit.report.summaries import full_summary

from fusemine.tasks.mine.classify.report.model import Label
from fusemine.tasks.report.assemble import assemble
from fusemine.tasks.report.model import ReportInputs
from fusemine.tasks.report.settings import ReportSettings

Make = Callable[..., ReportInputs]
TWO = ("negative", "positive")


def label_of(inputs: ReportInputs) -> Label:
    """The label's section, which was not skipped."""
    section = assemble(inputs, ReportSettings()).label
    assert isinstance(section, Label)
    return section


def told(make: Make, **changed: Any) -> Label:
    """The section of a full summary, some parts of it changed."""
    return label_of(make(classification=full_summary(TWO) | changed))
