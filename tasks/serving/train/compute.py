"""Fitting the model of a window, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
from fusemine.tasks.mine.classify.compute import CHOICE
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.mine.classify.fitted import CHOSEN
from fusemine.tasks.mine.classify.refit import refit
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.mine.topic_chain.stored import read_state
from fusemine.tasks.serving.challenge.compare import losses
from fusemine.tasks.serving.input_contract import input_contract
from fusemine.tasks.serving.stored import TEST, TRAIN, model_files, model_tables, read_packed
from fusemine.tasks.serving.train.fit import fit_scorer
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.window import Rows
    from fusemine.tasks.mine.classify.classifier import Classifier

SHORT = 6
"""Characters of the key that are in a model's id."""


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Fit the model, without searching again for how to learn."""
    rows, predictions = inputs.window().rows(), inputs.frame("classify")
    classifier, new = _classifier(inputs, rows), None
    if len(inputs.refs("clean")) > 1:
        new = (rows.clean["partition"] == inputs.partition).to_numpy()
    scorer = fit_scorer(
        rows.clean,
        rows.matrix,
        classifier,
        inputs.section(AnomaliesSettings),
        inputs.section(FuseSettings),
        new,
        inputs.rules.timezone,
    )
    topics, about = read_state(inputs.ref("topic_chain")), _about(inputs, classifier, predictions)
    trained = predictions.filter(pl.col("split") == TRAIN).select("row_id")
    return Output(
        tables={MAIN: trained, **model_tables(topics)},
        rows_in=rows.clean.height,
        rows_kept=trained.height,
        files=model_files(scorer, topics, about),
    )


def _classifier(inputs: Inputs, rows: Rows) -> Classifier | None:
    chosen = read_packed(inputs.ref("classify"), CHOICE)
    if chosen is None:
        return None
    return refit(
        correct_labels(rows.clean, inputs.resource("corrections")).rows,
        rows.matrix,
        inputs.section(ClassifySettings),
        inputs.section(FuseSettings),
        chosen,
        inputs.rules.timezone,
        inputs.section(Columns).label_kind == "number",
    )


def _about(
    inputs: Inputs, classifier: Classifier | None, predictions: pl.DataFrame
) -> dict[str, Any]:
    """What is written beside a model's parts, JSON-ready."""
    summary, job = inputs.summary("classify"), inputs.request.job
    classes, topics = inputs.ref("classify"), inputs.ref("topic_chain")
    return {
        "id": f"{job.partition}-{job.recipe.key[:SHORT]}",
        "partition": job.partition,
        "encoder": inputs.resource("encoder").fingerprint,
        "topics": {"artifact": topics.name, "sha256": topics.sha256},
        "classes": {"artifact": classes.name, "sha256": classes.sha256},
        "label": None if classifier is None else _label(classifier, summary, predictions),
        "why_no_label": summary["skipped"],
        "settings": {
            "classify": inputs.section(ClassifySettings).key_values(),
            "fuse": inputs.section(FuseSettings).key_values(),
            "anomalies": inputs.section(AnomaliesSettings).key_values(),
            "reading": input_contract(inputs),
        },
    }


def _label(
    classifier: Classifier, summary: dict[str, Any], predictions: pl.DataFrame
) -> dict[str, Any]:
    tested = predictions.filter(pl.col("split") == TEST)
    lost = losses(tested, tested["label"], classifier.number)
    positive = classifier.positive
    return {
        "number": classifier.number,
        "classes": classifier.names,
        "positive": None if positive is None else classifier.names[positive],
        "cut": classifier.cut,
        "model": summary["model"],
        "rows": summary["rows"],
        "metrics": summary["metrics"][CHOSEN],
        "leading": summary["leading"],
        "test_loss": float(lost.mean()) if len(lost) else None,
    }
