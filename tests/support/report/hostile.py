"""Runs whose data are what an attacker likes, wherever data can be."""

from __future__ import annotations

from typing import Any

import polars as pl

from fusemine.tasks.report.model import ReportInputs, StageRow
from support.report.given import changed, table_of
from support.report.inputs import make
from support.report.mined import CLUSTERING, burst_rows, event_rows, repeated_rows
from support.report.summaries import full_summary

HOSTILE = (
    "<script>alert(1)</script>",
    "{{7*7}} {% raw %} ${7*7}",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "' onmouseover=alert(4) '",
    "line\u2028separator\u2029paragraph",
    "W" * 5000,
    "👩‍👩‍👧‍👦" * 80,
    "\u202ereversed\u202c שלום مرحبا",
    "<!-- --> <![CDATA[x]]> &lt;b&gt;",
    "\x00\x07\x1b[31mred",
)


def with_text(text: str) -> ReportInputs:
    """A run whose data are `text` wherever they can be."""
    # Arrow has no column names with a NUL, so none can come from a column or a class.
    name = text.replace("\x00", "") or "name"
    inputs = make(texts=[text] * 80, classes=(name, "other"))
    left_out = [pl.lit(text).alias(column) for column in ("rule", "reason", "row")]
    return changed(
        inputs,
        name=text,
        title=text,
        notes=text,
        label_note=text,
        label_name=text,
        window_label=text,
        stages=[StageRow("clean", 80, 80, 0, 0, text)],
        rejected=inputs.rejected.with_columns(left_out),
        clean=inputs.clean.rename({"category.sky": f"category.{name}"}),
        **hostile_topics(inputs, text),
        anomalies=table_of(inputs, "anomalies").with_columns(reason=pl.lit(text)),
        repeats=repeated_rows(text=text).with_columns(peak=pl.lit(text), first=pl.lit(text)),
        bursts=burst_rows("1990-02", level=text).with_columns(column=pl.lit(name)),
        classification=hostile_summary(name, text),
        doubts=hostile_doubts(inputs, text),
        clustering=CLUSTERING | {"method": text, **topics_summary(text)},
        anomaly={"method": text, "views": {text: text}, "threshold": {"rule": text}},
        settings={text: [text]},
        versions={text: text},
        keys={text: text},
        embeddings={text: text},
    )


def topics_summary(text: str) -> dict[str, Any]:
    """Parts of a summary of the topics with `text` in them."""
    agreement = {"v_measure": 0.1, "column": text}
    return {"naming": {"by": "model", "trouble": text}, "agreement": agreement}


def hostile_topics(inputs: ReportInputs, text: str) -> dict[str, pl.DataFrame]:
    """Tables of the topics with `text` in them."""
    events = [("1990-02", kind) for kind in ("fitted", "born", "split", text)]
    return {
        "topics": table_of(inputs, "topics").with_columns(
            name=pl.lit(text), terms=pl.lit([text]), born=pl.lit(f"2{text}")
        ),
        "themes": table_of(inputs, "themes").with_columns(name=pl.lit(text)),
        "crossed": table_of(inputs, "crossed").with_columns(
            column=pl.lit(text), level=pl.concat_str(pl.lit(text), "level")
        ),
        "events": event_rows(*events, ("1990-03", "merged"), text=text),
    }


def hostile_summary(name: str, text: str) -> dict[str, Any]:
    """A classifier's summary with `text` in all of its parts."""
    found = full_summary((name, "other"), text)
    return {
        **found,
        "split": text,
        "learner": text,
        "positive": name,
        "gain": {"value": 0.1, "interval": [0, 1], "over": text},
        "terms": {text: [text]},
        "metrics": {**found["metrics"], text: {"skipped": text}},
    }


def hostile_doubts(inputs: ReportInputs, text: str) -> pl.DataFrame:
    """Doubtful labels with `text` in them."""
    return table_of(inputs, "doubts").with_columns(suggested=pl.lit(text), alike=pl.lit(text))
