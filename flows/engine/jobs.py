"""The jobs of mining one window: what a run does and what a status looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.core.windowed import mine_job
from fusemine.tasks.fuse.task import fuse_job
from fusemine.tasks.mine.anomalies.task import ANOMALY
from fusemine.tasks.mine.classify.task import classify_job
from fusemine.tasks.mine.topics.task import cluster_job
from fusemine.tasks.report.task import report_job

if TYPE_CHECKING:
    from fusemine.flows.engine.plan import Plan
    from fusemine.tasks.core.artifact import ArtifactRef, Job
    from fusemine.tasks.core.windowed import WindowRefs
    from fusemine.tasks.report.task import Made


@dataclass(frozen=True)
class Jobs:
    """The jobs over a prepared window.

    Args:
        plan: What is mined.
        window: Its prepared partitions.
    """

    plan: Plan
    window: WindowRefs

    def fuse(self) -> Job:
        """Features of the window."""
        plan, window = self.plan, self.window
        return fuse_job(
            plan.root,
            plan.target,
            window.cleaned,
            window.embedded,
            window.rules,
            plan.settings.fuse,
        )

    def classify(self) -> Job:
        """Predictions."""
        plan, settings = self.plan, self.plan.settings
        kind = settings.columns.label_kind
        return classify_job(
            plan.root, plan.target, self.window, settings.classify, settings.fuse, kind
        )

    def cluster(self, registry: ArtifactRef) -> Job:
        """Topics, which are those of the registry."""
        plan = self.plan
        return cluster_job(plan.root, plan.target, self.window, registry)

    def anomaly(self, features: ArtifactRef) -> Job:
        """Anomalies, which read the features."""
        settings = [self.plan.settings.anomaly]
        return mine_job(self.plan.root, ANOMALY, self.plan.target, self.window, settings, features)

    def report(self, made: Made) -> Job:
        """The report on all of it."""
        return report_job(self.plan.root, made, self.plan.about(), self.plan.settings.report)
