"""The stage that fits the model of a window: the label as it was chosen, and the detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.corrections.apply import correct_labels
from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.fuse.features import DENSE
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows as FeatureRows
from fusemine.tasks.mine.anomalies.detectors import fit_detectors
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
from fusemine.tasks.mine.classify.classify import refit
from fusemine.tasks.mine.classify.compute import CHOICE
from fusemine.tasks.mine.classify.fitted import CHOSEN
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.mine.topic_chain.registry import read_state
from fusemine.tasks.serving.compare import losses
from fusemine.tasks.serving.input_contract import input_contract
from fusemine.tasks.serving.registry import model_id
from fusemine.tasks.serving.scorer import Scorer, table_of
from fusemine.tasks.serving.stored import TEST, TRAIN, model_files, model_tables, read_packed
from fusemine.tasks.table.roles import CATEGORY, Columns

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.window import Rows
    from fusemine.tasks.fuse.transformers import BlockName
    from fusemine.tasks.mine.classify.model import Classifier

MOST_LEVELS, OFTEN = 10_000, 0.2
"""Of more levels, or where more than this share of the values came once, new ones are normal."""


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Fit the model in the way that `classify` chose, without another search."""
    rows, predictions = inputs.window().rows(), inputs.frame("classify")
    classifier = _classifier(inputs, rows)
    scorer = _scorer(inputs, rows, classifier)
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


def _scorer(inputs: Inputs, rows: Rows, classifier: Classifier | None) -> Scorer:
    """The classifier, and detectors of anomalies that are fitted on the same rows."""
    clean, fusing, new = rows.clean, inputs.section(FuseSettings), None
    if len(inputs.refs("clean")) > 1:
        # The detectors learn what is normal without the newest partition's rows.
        new = (clean["partition"] == inputs.partition).to_numpy()
    features = FeatureRows(clean, rows.matrix)
    weights: dict[BlockName, float] = {
        name: getattr(fusing.weights, name) for name in DENSE if name != "text"
    }
    blocks = tuple(block for block, _ in fit_blocks(features, weights, fusing))
    names = [feature for block in blocks for feature in block.features]
    table, settings = table_of(blocks, features), inputs.section(AnomaliesSettings)
    detectors = fit_detectors(clean, rows.matrix, table, names, settings, new)
    return Scorer(classifier, blocks, detectors, _levels(clean), inputs.rules.timezone)


def _levels(clean: pl.DataFrame) -> dict[str, list[str]]:
    """The levels of each category that new rows can be checked against, sorted.

    Not of one that was empty, has more than `MOST_LEVELS`, or of which new values are often unseen
    ones: that is to be expected of as many as the share of the values that came once (Good 1953).
    """
    found = {}
    for name in (name for name in clean.columns if name.startswith(CATEGORY)):
        counts = clean[name].drop_nulls().value_counts(name="rows")
        once = int((counts["rows"] == 1).sum())
        if 0 < counts.height <= MOST_LEVELS and once <= OFTEN * int(counts["rows"].sum()):
            found[name.removeprefix(CATEGORY)] = counts[name].sort().to_list()
    return found


def _about(
    inputs: Inputs, classifier: Classifier | None, predictions: pl.DataFrame
) -> dict[str, Any]:
    """What is written beside a model's parts, JSON-ready."""
    summary, job = inputs.summary("classify"), inputs.request.job
    classes, topics = inputs.ref("classify"), inputs.ref("topic_chain")
    return {
        "id": model_id(job.partition, job.recipe.key),
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
        "cut": classifier.model.chosen.threshold,
        "model": summary["model"],
        "rows": summary["rows"],
        "metrics": summary["metrics"][CHOSEN],
        "leading": summary["leading"],
        "test_loss": float(lost.mean()) if len(lost) else None,
    }
