"""What is known of the model that scored something, also when its files are gone."""

from __future__ import annotations

from typing import Any

from fusemine.tasks.serving.monitor.evaluate import Kind


def scored_by(about: dict[str, Any]) -> dict[str, Any]:
    """What is to be known of a model beside what it scored, JSON-ready."""
    told = {"model": about["id"], "trained_for": about["partition"], "label": about["label"]}
    return {**told, "why_no_label": about["why_no_label"]}


def kind_of(scored: dict[str, Any]) -> Kind | None:
    """What the model predicts that scored something; None if nothing."""
    label = scored["label"]
    return label and Kind(label["number"], label["positive"], label["leading"])
