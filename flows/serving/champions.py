"""The models in use, by the partitions that they score, and what they said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.flows.serving.input_contract import reading_of
from fusemine.tasks.core.artifact import find, ref_of
from fusemine.tasks.core.errors import ArtifactError, ModelError
from fusemine.tasks.report.task import InUse
from fusemine.tasks.serving.monitor.watched import Watching
from fusemine.tasks.serving.records import read_registry
from fusemine.tasks.serving.stored import find_stored, load, read_about
from fusemine.tasks.serving.task import score_job, score_partition, watch_job

if TYPE_CHECKING:
    from fusemine.flows.engine.plan import Plan
    from fusemine.flows.engine.prepare import Prepared
    from fusemine.tasks.core.artifact import ArtifactRef, Job
    from fusemine.tasks.core.windowed import WindowRefs
    from fusemine.tasks.serving.registry import Entry, Registry


@dataclass(frozen=True)
class Champions:
    """The models in use, by the partitions of a plan's history that they score.

    Attributes:
        plan: The run.
        prepared: The partitions.
        registry: The models that there are.
    """

    plan: Plan
    prepared: Prepared
    registry: Registry

    def readable(self, entry: Entry) -> ArtifactRef | None:
        """A model, if its files are whole and it reads rows as the pipeline does today."""
        known = self.prepared.models
        if entry.id not in known:
            known[entry.id] = self._read(entry)
        return known[entry.id]

    def whole(self, entry: Entry) -> ArtifactRef | None:
        """A model, if its files are as they were written and can be read by what is installed."""
        try:
            ref = find_stored(self.plan.root, entry)
            load(ref)
        except (ModelError, ArtifactError):
            return None
        return ref

    def _read(self, entry: Entry) -> ArtifactRef | None:
        ref = self.whole(entry)
        if ref is None:
            return None
        about = read_about(ref)
        same = about["settings"]["reading"] == reading_of(self.plan.settings)
        return ref if same and about["encoder"] == self.prepared.encoder else None

    def score_job(self, partition: str, model: Entry) -> Job:
        """The job of scoring a partition."""
        plan, prepared = self.plan, self.prepared
        cleaned, embedded = prepared.cleaned[partition], prepared.embedded[partition]
        return score_job(plan.root, partition, cleaned, embedded, plan.rules(partition), model)

    def found(self, partition: str) -> ArtifactRef | None:
        """What the model in use said of a partition, if it was asked before."""
        model = self.registry.in_use_for(partition)
        if model is None:
            return None
        known, place = self.prepared.scored, (partition, model.sha256)
        if place not in known and (found := find(self.score_job(partition, model))):
            known[place] = found
        return known.get(place)

    def foretold(self, partition: str) -> ArtifactRef | None:
        """What it said of the partition as it was then; its rows may have changed since."""
        turn = self.registry.turns.get(partition)
        return ref_of(self.plan.root / turn.score) if turn and turn.score else None

    def scored(self, partition: str) -> ArtifactRef | None:
        """What the model in use says of a partition; None if there is none, or none to ask."""
        found, model = self.found(partition), self.registry.in_use_for(partition)
        if model is None or (found is not None and partition != self.plan.target):
            return found
        ref = self.readable(model)
        if ref is None:
            return found or self.foretold(partition)
        prepared, rules = self.prepared, self.plan.rules(partition)
        cleaned, embedded = prepared.cleaned[partition], prepared.embedded[partition]
        return score_partition(self.score_job(partition, model), cleaned, embedded, rules, ref)

    def watching(self, scored: dict[str, ArtifactRef]) -> Watching:
        """What is watched of them, with all corrections of their labels."""
        last = self.registry.in_use_for(max(scored))
        own = last.partition if last else ""
        return Watching(
            scored=scored,
            cleaned={partition: self.prepared.cleaned[partition] for partition in scored},
            since=tuple(partition for partition in self.plan.history if partition > own),
            rule=self.plan.settings.models.retrain,
            corrections=self.prepared.corrections(self.plan, scored),
        )


def in_use_found(plan: Plan, prepared: Prepared, window: WindowRefs) -> InUse | None:
    """What a run's report shows of models, as it was made; None where some of it is missing."""
    registry = read_registry(plan.root)
    champions, compared = Champions(plan, prepared, registry), compared_before(plan, registry)
    found = {name: champions.found(name) or champions.foretold(name) for name in plan.history}
    scored = {partition: ref for partition, ref in found.items() if ref is not None}
    if not scored:
        return InUse(None, compared)
    watching = champions.watching(scored)
    watched = find(watch_job(plan.root, plan.target, window, watching))
    return None if watched is None else InUse(watched, compared)


def compared_before(plan: Plan, registry: Registry) -> ArtifactRef | None:
    """The comparison that an earlier run of the partition made."""
    turn = registry.turns.get(plan.target)
    return ref_of(plan.root / turn.challenge) if turn and turn.challenge else None
