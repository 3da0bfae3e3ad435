"""Models in use as they are monitored and compared, and the report's section on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from fusemine.tasks.report.model import ReportInputs
from fusemine.tasks.serving.monitor.contracts import MONITOR
from fusemine.tasks.serving.monitor.report.model import InUse
from support.report.given import content, model_of
from support.report.mined import checked

Row = dict[str, Any]
OLD, NOW, NEW = "1989-12-aaaaaa", "1990-04-bbbbbb", "1990-08-cccccc"
TESTED = {"average_precision": 0.7, "average_precision_interval": [0.65, 0.75]}


def part(
    partition: str,
    model: str = NOW,
    metric: Sequence[float | None] = (0.7, 0.6, 0.8),
    gap: Sequence[float | None] = (0.0, -0.02, 0.02),
    loss: Sequence[float | None] = (0.5, 0.4, 0.6),
    labelled: int = 100,
) -> Row:
    """A partition that was monitored; each value comes with its interval."""
    values = {"metric": metric, "loss": loss, "gap": gap}
    return {"partition": partition, "model": model, "rows": 120, "labelled": labelled} | {
        name + end: value
        for name, three in values.items()
        for end, value in zip(("", "_low", "_high"), three, strict=True)
    }


def unlabelled(partition: str, model: str = NOW) -> Row:
    """A partition of which no label is known."""
    none = (None, None, None)
    return part(partition, model, none, none, none, labelled=0)


def table(rows: Sequence[Row]) -> pl.DataFrame:
    """The table of the stage `monitor`."""
    return checked(pl.DataFrame(rows, pl.DataFrame(MONITOR.empty()).schema), MONITOR)


def watched(*rows: Row, **replaced: Any) -> dict[str, Any]:
    """The inputs of a report on the models in use; the last one is that of the last row."""
    label = {
        "number": False,
        "positive": "positive",
        "leading": "average_precision",
        "metrics": TESTED,
    }
    summary = {"model": NOW, "trained_for": "1990-04", "label": label, "due": False, "reasons": []}
    return {"watch": table(rows), "watching": summary | replaced}


def numbers(*rows: Row) -> dict[str, Any]:
    """The same of a label that is a number."""
    metrics = {"rmse": 5.0, "rmse_interval": [4.0, 6.0]}
    return watched(*rows, label={"number": True, "positive": None, "metrics": metrics})


def challenge(**replaced: Any) -> dict[str, Any]:
    """The summary of a comparison in which the new model is not worse."""
    return {
        "champion": NOW,
        "challenger": NEW,
        "rows": 2310,
        "loss": "log loss",
        "champion_loss": 0.4,
        "challenger_loss": 0.39,
        "difference": -0.01,
        "interval": [-0.03, 0.01],
        "margin": 0.008,
        "p_value": 0.04,
        "not_worse": True,
        "why_not": None,
        **replaced,
    }


def section_of(inputs: ReportInputs) -> InUse:
    """The section, which is there."""
    section = content(model_of(inputs), "in-use")
    assert isinstance(section, InUse)
    return section
