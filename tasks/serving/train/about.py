"""What goes into a model besides a window's rows, and what is written of it beside its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.artifact import Job, read_json, read_manifest
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.mine.classify.fitted import CHOSEN
from fusemine.tasks.serving.challenge.compare import losses
from fusemine.tasks.serving.monitor.evaluate import Kind
from fusemine.tasks.serving.registry import Entry
from fusemine.tasks.serving.stored import TEST

if TYPE_CHECKING:
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.mine.anomalies.settings import AnomalySettings
    from fusemine.tasks.mine.classify.classifier import Classifier
    from fusemine.tasks.mine.classify.settings import ClassifySettings

SHORT = 6
"""Characters of the key that are in a model's id."""


@dataclass(frozen=True)
class Ingredients:
    """What a model is made of besides rows.

    Attributes:
        classes: What was learnt of the label, and how.
        topics: The registry of topics after the window.
        classifying, fusing, anomaly: The settings of the parts.
        number: Whether the label is a number.
        reading: How rows must be read for it, JSON-ready: columns, cleaning, calendar, embedding.
        encoder: The encoder's fingerprint.
    """

    classes: ArtifactRef
    topics: ArtifactRef
    classifying: ClassifySettings
    fusing: FuseSettings
    anomaly: AnomalySettings
    number: bool
    reading: dict[str, Any]
    encoder: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that make the model what it is, JSON-ready."""
        return {
            "classify": self.classifying.key_values(),
            "fuse": self.fusing.model_dump(mode="json"),
            "anomaly": self.anomaly.model_dump(mode="json"),
            "reading": self.reading,
        }

    def about(
        self, job: Job, classifier: Classifier | None, predictions: pl.DataFrame
    ) -> dict[str, Any]:
        """What is written beside a model's parts, JSON-ready.

        Args:
            job: The job that makes it.
            classifier: What foretells the label, if anything.
            predictions: What it foretold of the window, by the contract `predictions`.
        """
        summary = read_json(self.classes, SUMMARY)
        return {
            "id": f"{job.partition}-{job.recipe.key[:SHORT]}",
            "partition": job.partition,
            "encoder": self.encoder,
            "topics": {"artifact": self.topics.name, "sha256": self.topics.sha256},
            "classes": {"artifact": self.classes.name, "sha256": self.classes.sha256},
            "label": None if classifier is None else _label(classifier, summary, predictions),
            "why_no_label": summary["skipped"],
            "settings": self.settings,
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


def scored_by(about: dict[str, Any]) -> dict[str, Any]:
    """What is to be known of a model beside what it scored, also when its files are gone."""
    told = {"model": about["id"], "trained_for": about["partition"], "label": about["label"]}
    return {**told, "why_no_label": about["why_no_label"]}


def kind_of(scored: dict[str, Any]) -> Kind | None:
    """What the model foretells that scored something; None if nothing."""
    label = scored["label"]
    return label and Kind(label["number"], label["positive"], label["leading"])


def entry_of(ref: ArtifactRef, about: dict[str, Any]) -> Entry:
    """A model as the registry lists it."""
    label = about["label"] or {}
    metrics, leading = label.get("metrics", {}), label.get("leading")
    rows = label.get("rows", {})
    return Entry(
        id=about["id"],
        partition=about["partition"],
        artifact=ref.name,
        sha256=ref.sha256,
        made_at=read_manifest(ref.path).created_at,
        label=bool(label),
        metric=leading,
        value=metrics.get(leading),
        interval=metrics.get(f"{leading}_interval"),
        train_rows=rows.get("train", 0),
        test_rows=rows.get("test", 0),
    )
