"""Which partitions and stages are complete, as of today's source, settings and code.

It is read from manifests and from keys computed anew; nothing is run or written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from fusemine.flows.engine.chain import registry_found
from fusemine.flows.engine.failures import Failure, read_failures
from fusemine.flows.engine.jobs import Jobs
from fusemine.flows.engine.plan import Plan, narrowed
from fusemine.flows.engine.prepare import Prepared
from fusemine.flows.serving.champions import in_use_found
from fusemine.tasks.core.artifact import MANIFEST, ArtifactRef, find
from fusemine.tasks.core.partition import ALL, gaps, window_of
from fusemine.tasks.inventory.source import list_partitions
from fusemine.tasks.report.task import Made

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.core.windowed import WindowRefs
    from fusemine.tasks.inventory.source import Listing

STAGES = (
    "collect", "clean", "embed", "topics", "fuse", "classify", "cluster", "anomaly", "report",
)  # fmt: skip


class State(StrEnum):
    """How far a partition, or a stage of it, is."""

    COMPLETE = "complete"
    STALE = "stale"
    """There is a complete result, but under another key than today's."""
    FAILED = "failed"
    MISSING = "missing"
    GAP = "gap"
    """The source has no rows."""


@dataclass(frozen=True)
class Covered:
    """One partition.

    Args:
        partition: Its key.
        state: The state of the whole.
        stages: The state of each stage.
        rows: Rows collected; None if they are not.
        failure: The last attempt, if it failed.
    """

    partition: str
    state: State
    stages: dict[str, State]
    rows: int | None = None
    failure: Failure | None = None


@dataclass
class Coverage:
    """The states of a pipeline's partitions, each looked at when it is asked for.

    Args:
        loaded: The pipeline.
        listing: What its source holds.
    """

    loaded: Loaded
    listing: Listing
    _prepared: Prepared = field(init=False)
    _failures: dict[str, Failure] = field(init=False)
    _present: dict[str, ArtifactRef] = field(init=False)

    def __post_init__(self) -> None:
        self._prepared = Prepared(self.loaded)
        self._failures = read_failures(self.loaded.root)
        self._present = {key: ref for key, ref in self.listing.raw.items() if ref is not None}
        self._complete = set(self._prepared.complete(self._present))

    def partitions(self) -> list[str]:
        """All partitions from the first to the last with rows, those without among them."""
        keys = list(self.listing.raw)
        between = gaps(keys, self.loaded.pipeline.partition.by) if ALL not in keys else []
        return sorted({*keys, *between, *self._failures})

    def of(self, partition: str) -> Covered:
        """One partition."""
        failure = self._failures.get(partition)
        if partition not in self.listing.raw:
            state = State.FAILED if failure else State.GAP
            return Covered(partition, state, dict.fromkeys(STAGES, State.GAP), None, failure)
        found = self._found(partition)
        stages = {stage: self._state(stage, partition, found.get(stage)) for stage in STAGES}
        if failure and failure.stage in stages and stages[failure.stage] is not State.COMPLETE:
            stages[failure.stage] = State.FAILED
        state = State.FAILED if failure else self._whole(partition, found.get("report"))
        raw = self._present.get(partition)
        return Covered(partition, state, stages, raw.rows if raw else None, failure)

    def _found(self, partition: str) -> dict[str, ArtifactRef]:
        """The complete artifacts of a partition's stages."""
        prepared = self._prepared
        found = {
            "collect": self._present.get(partition),
            "clean": prepared.cleaned.get(partition),
            "embed": prepared.embedded.get(partition),
        }
        if partition in self._complete:
            found |= self._mined(partition)
        return {stage: ref for stage, ref in found.items() if ref is not None}

    def _mined(self, partition: str) -> dict[str, ArtifactRef | None]:
        plan = self._plan(partition)
        if plan is None:
            return {}
        window = self._prepared.window(plan)
        jobs = Jobs(plan, window)
        features, registry = find(jobs.fuse()), registry_found(plan, self._prepared)
        found = {
            "fuse": features,
            "classify": find(jobs.classify()),
            "cluster": find(jobs.cluster(registry)) if registry else None,
            "anomaly": find(jobs.anomaly(features)) if features else None,
        }
        found["topics"] = registry
        return {**found, "report": self._report(plan, window, jobs, found)}

    def _plan(self, partition: str) -> Plan | None:
        """The plan of a run; None while its window is not prepared."""
        settings = self.loaded.pipeline
        keys = window_of(partition, settings.window, self.listing.raw, settings.partition.by)
        if not self._complete.issuperset(keys) and settings.gaps == "prepare":
            return None
        window = {key: self._present[key] for key in keys if key in self._present}
        history = {key: ref for key, ref in self._present.items() if key <= partition}
        plan = Plan(self.loaded, self.listing, partition, window, dict(sorted(history.items())))
        missing = [key for key in keys if key not in window]
        plan = narrowed(plan, self._prepared)
        return replace(plan, left_out=tuple(sorted([*plan.left_out, *missing])))

    def _report(
        self, plan: Plan, window: WindowRefs, jobs: Jobs, found: dict[str, ArtifactRef | None]
    ) -> ArtifactRef | None:
        features, classes, clusters, anomalies, topics = found.values()
        if not (features and classes and clusters and anomalies and topics):
            return None
        models = in_use_found(plan, self._prepared, window)
        if models is None:
            return None
        raw, mined = tuple(plan.window.values()), (features, classes, clusters, anomalies, topics)
        return find(jobs.report(Made(plan.listing, raw, window, *mined, models)))

    def _state(self, stage: str, partition: str, ref: ArtifactRef | None) -> State:
        if ref is not None:
            return State.COMPLETE
        there = (self.loaded.root / stage / partition).glob(f"*/{MANIFEST}")
        return State.STALE if any(there) else State.MISSING

    def _whole(self, partition: str, report: ArtifactRef | None) -> State:
        """Complete is what was made and became the last complete run of the partition."""
        latest = latest_report(self.loaded.root, partition)
        if latest is None:
            return State.MISSING
        same = report is not None and report.path == str(latest.parent)
        return State.COMPLETE if same else State.STALE


def coverage_of(loaded: Loaded) -> Coverage:
    """Look at a pipeline's source and root.

    Raises:
        SourceError: The files cannot be used.
        ModelError: The encoder cannot be had.
    """
    return Coverage(loaded, list_partitions(loaded.source()))


def latest_report(root: Path, partition: str) -> Path | None:
    """The report of the last complete run of a partition."""
    try:
        record = json.loads((root / "latest" / f"{partition}.json").read_text(encoding="utf-8"))
        return root / str(record["report"])
    except (OSError, ValueError, KeyError):
        return None


def count_states(covered: Collection[Covered]) -> dict[State, int]:
    """How many partitions are in each state."""
    return {state: sum(c.state is state for c in covered) for state in State}
