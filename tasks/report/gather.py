"""Summaries of several artifacts as the report reads them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.artifact import read_frame, read_json
from fusemine.tasks.core.contract import WATCH
from fusemine.tasks.core.windowed import SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.artifact import ArtifactRef


def embeddings(refs: Iterable[ArtifactRef]) -> dict[str, Any]:
    """The partitions' summaries as one; texts are distinct within their partition."""
    summaries = [read_json(ref, SUMMARY) for ref in refs]
    counts = ("distinct_texts", "tokens", "long_texts")
    sums = {name: sum(summary[name] for summary in summaries) for name in counts}
    foreign: Counter[str] = Counter()
    for summary in summaries:
        foreign.update(summary["foreign_texts"])
    return {**summaries[0], **sums, "foreign_texts": dict(sorted(foreign.items()))}


def models(watch: ArtifactRef | None, challenge: ArtifactRef | None) -> dict[str, Any]:
    """What `ReportInputs` holds of the models in use: `watch`, `watching` and `challenge`."""
    return {
        "watch": None if watch is None else read_frame(watch, WATCH),
        "watching": None if watch is None else read_json(watch, SUMMARY),
        "challenge": None if challenge is None else read_json(challenge, SUMMARY),
    }
