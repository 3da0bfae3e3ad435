"""Preparing a window: every partition of it that is not complete is cleaned and embedded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks import progress
from tasks.artifacts import ArtifactRef, Job, find, read_json
from tasks.clean.task import clean_job, clean_partition
from tasks.embed.model import find_model
from tasks.embed.task import embed_job, embed_partition
from tasks.mine.task import SUMMARY, WindowRefs

if TYPE_CHECKING:
    from flows.plan import Plan


def prepare(plan: Plan) -> WindowRefs:
    """Clean and embed the window, oldest partition first.

    Partitions that are complete need no task run of their own, so that a long history costs
    nothing; the partition that is mined always shows its own.
    """
    cleaned = _clean(plan)
    embedded = _embed(plan, cleaned)
    return WindowRefs(tuple(cleaned.values()), tuple(embedded.values()), plan.rules())


def _clean(plan: Plan) -> dict[str, ArtifactRef]:
    columns, settings = plan.settings.columns, plan.settings.clean
    timezone = plan.settings.partition.timezone
    refs: dict[str, ArtifactRef] = {}
    for number, (partition, raw) in enumerate(plan.window.items(), start=1):
        job = clean_job(plan.root, partition, raw, columns, settings, timezone)
        refs[partition] = _complete(job, plan) or clean_partition(
            job, raw, columns, settings, timezone
        )
        progress.report("clean", number, len(plan.window))
    return refs


@dataclass
class _Counter:
    """Counts texts over all partitions that are embedded."""

    total: int
    done: int = 0

    def add(self, texts: int) -> None:
        self.done += texts
        progress.report("embed", self.done, self.total)


def _embed(plan: Plan, cleaned: dict[str, ArtifactRef]) -> dict[str, ArtifactRef]:
    settings = plan.settings.embed
    model = find_model(settings.model, plan.loaded.base)
    jobs = {p: embed_job(plan.root, p, ref, settings, model) for p, ref in cleaned.items()}
    complete = {partition: _complete(job, plan) for partition, job in jobs.items()}
    counter = _Counter(sum(_texts(cleaned[p]) for p, ref in complete.items() if ref is None))
    return {
        partition: complete[partition]
        or embed_partition(job, cleaned[partition], settings, model, counter.add)
        for partition, job in jobs.items()
    }


def _complete(job: Job, plan: Plan) -> ArtifactRef | None:
    return None if job.partition == plan.partition else find(job)


def _texts(cleaned: ArtifactRef) -> int:
    return int(read_json(cleaned, SUMMARY)["distinct_texts"])
