"""The registry of topics, made from the first partition on, one partition after the other.

What it knows after a partition follows from what it knew before and from the partition's window.
So the earlier states come first, whatever was asked for, and late rows make the later ones stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.flows.engine.encoder import check_encoder
from fusemine.tasks.core import progress
from fusemine.tasks.core.artifact import find, read_json
from fusemine.tasks.core.partition import window_of
from fusemine.tasks.core.windowed import SUMMARY, WindowRefs
from fusemine.tasks.mine.topics.task import advance_registry, registry_job
from fusemine.tasks.upkeep.places import discard

if TYPE_CHECKING:
    from datetime import datetime

    from fusemine.flows.engine.plan import Plan
    from fusemine.flows.engine.prepare import Prepared
    from fusemine.tasks.core.artifact import ArtifactRef, Job


def registry_of(plan: Plan, prepared: Prepared) -> ArtifactRef:
    """The registry after the partition that is mined; what is missing of the chain is made."""
    before, since = None, None
    for number, partition in enumerate(plan.history, start=1):
        step = _Step(plan, prepared, partition, before, since)
        found = None if partition == plan.target else step.found()
        before, since = found or step.make(), plan.rules(partition).end
        progress.report("topics", number, len(plan.history))
    assert before is not None  # noqa: S101  (a plan that is mined has rows)
    return before


def registry_found(plan: Plan, prepared: Prepared) -> ArtifactRef | None:
    """The registry after the partition that is mined, or None while the chain is not complete."""
    before, since = None, None
    for partition in plan.history:
        if partition not in prepared.embedded:
            return None
        before = _Step(plan, prepared, partition, before, since).found()
        if before is None:
            return None
        since = plan.rules(partition).end
    return before


@dataclass(frozen=True)
class _Step:
    """One partition of the chain, after the registry `before`, whose window ended at `since`."""

    plan: Plan
    prepared: Prepared
    partition: str
    before: ArtifactRef | None
    since: datetime | None

    def found(self) -> ArtifactRef | None:
        """The registry that is there already."""
        known = self.prepared.registries.get(self._place) or find(self._job)
        return None if known is None else self._keep(known)

    def make(self) -> ArtifactRef:
        """The registry, made if it is not there or lacks the names that a model was to give."""
        settings, job = self.plan.settings, self._job
        there = find(job)
        if there and settings.topics.naming and read_json(there, SUMMARY)["trouble"]:
            discard(job.folder)
        device = settings.embed.device
        made = advance_registry(
            job, self._window, self.before, settings.cluster, self.since, device
        )
        check_encoder(self.prepared.loaded, self.prepared.encoder, keep=True)
        return self._keep(made)

    def _keep(self, registry: ArtifactRef) -> ArtifactRef:
        self.prepared.registries[self._place] = registry
        return registry

    @property
    def _place(self) -> tuple[str, str]:
        return self.partition, self.before.sha256 if self.before else ""

    @property
    def _window(self) -> WindowRefs:
        plan, settings = self.plan, self.plan.settings
        keys = window_of(self.partition, settings.window, plan.history, settings.partition.by)
        return WindowRefs(
            tuple(self.prepared.cleaned[key] for key in keys),
            tuple(self.prepared.embedded[key] for key in keys),
            plan.rules(self.partition),
        )

    @property
    def _job(self) -> Job:
        settings = self.plan.settings.cluster
        return registry_job(
            self.plan.root, self.partition, self._window, self.before, settings, self.since
        )
