"""The part that models play in a run: the one in use scores the new rows, a new one may follow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from prefect import get_run_logger

from flows.reading import reading_of
from tasks.artifacts import ArtifactRef, find, read_json, ref_of
from tasks.errors import ModelError
from tasks.models.about import Ingredients, entry_of
from tasks.models.compare import Comparison, told
from tasks.models.records import change_registry, read_registry
from tasks.models.registry import Event, Turn
from tasks.models.stored import find_stored, read_about
from tasks.models.task import (
    challenge,
    challenge_job,
    model_job,
    score_job,
    score_partition,
    train_model,
    watch_job,
    watch_models,
)
from tasks.models.watching import Watching
from tasks.partitions import ALL
from tasks.report.task import InUse
from tasks.windowed import SUMMARY, WindowRefs

if TYPE_CHECKING:
    from flows.config import Loaded
    from flows.plan import Plan
    from flows.prepare import Prepared
    from tasks.artifacts import Job
    from tasks.models.registry import Entry, Registry
    from tasks.report.task import Made

Train = Literal["due", "now", "never"]
"""Whether a run trains a new model: when the rule says so, in any case, or not at all."""


@dataclass(frozen=True)
class Use:
    """What a run did about models; it counts once the run has ended well.

    Attributes:
        shown: What the report shows.
        turns: The model of each partition that was scored.
        entry: The model that was trained.
        event: What was decided on it.
    """

    shown: InUse
    turns: dict[str, Turn] = field(default_factory=dict)
    entry: Entry | None = None
    event: Event | None = None

    def settle(self, loaded: Loaded) -> None:
        """Note it below the root; what was decided against a model that is not in use any more
        is not carried out."""
        if self.turns or self.entry:
            change_registry(loaded.root, self._noted)

    def _noted(self, registry: Registry) -> Registry:
        current = registry.current
        for partition, turn in self.turns.items():
            registry = registry.with_turn(partition, turn)
        if self.entry is not None:
            registry = registry.with_entry(self.entry)
        in_time = self.event and self.event.before == (current.id if current else None)
        return registry.with_event(self.event) if self.event and in_time else registry


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

    def is_there(self, entry: Entry) -> bool:
        """Whether a model's files are as they were written."""
        try:
            find_stored(self.plan.root, entry)
        except ModelError:
            return False
        return True

    def _read(self, entry: Entry) -> ArtifactRef | None:
        try:
            ref = find_stored(self.plan.root, entry)
            about = read_about(ref)
        except ModelError:
            return None
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

    def scored(self, partition: str) -> ArtifactRef | None:
        """What the model in use says of a partition; None if there is none, or none to ask."""
        found, model = self.found(partition), self.registry.in_use_for(partition)
        if model is None or (found is not None and partition != self.plan.target):
            return found
        ref = self.readable(model)
        if ref is None:
            return found
        prepared, rules = self.prepared, self.plan.rules(partition)
        cleaned, embedded = prepared.cleaned[partition], prepared.embedded[partition]
        return score_partition(self.score_job(partition, model), cleaned, embedded, rules, ref)

    def watching(self, scored: dict[str, ArtifactRef]) -> Watching:
        """What is watched of them."""
        last = self.registry.in_use_for(max(scored))
        own = last.partition if last else ""
        return Watching(
            scored=scored,
            cleaned={partition: self.prepared.cleaned[partition] for partition in scored},
            since=tuple(partition for partition in self.plan.history if partition > own),
            rule=self.plan.settings.models.retrain,
        )


def in_use_found(plan: Plan, prepared: Prepared, window: WindowRefs) -> InUse | None:
    """What a run's report shows of models, as it was made; None where some of it is missing."""
    registry = read_registry(plan.root)
    champions, compared = Champions(plan, prepared, registry), _compared(plan, registry)
    found = {partition: champions.found(partition) for partition in plan.history}
    scored = {partition: ref for partition, ref in found.items() if ref is not None}
    if not scored:
        return InUse(None, compared)
    watching = champions.watching(scored)
    watched = find(watch_job(plan.root, plan.target, window, watching))
    return None if watched is None else InUse(watched, compared)


def _compared(plan: Plan, registry: Registry) -> ArtifactRef | None:
    """The comparison that an earlier run of the partition made."""
    turn = registry.turns.get(plan.target)
    return ref_of(plan.root / turn.challenge) if turn and turn.challenge else None


def use_models(plan: Plan, prepared: Prepared, made: Made, train: Train) -> Use:
    """Score the new partition with the model in use, and train a new one where that is due.

    Args:
        plan: The run.
        prepared: The prepared partitions.
        made: What was mined.
        train: Whether a new model is trained.
    """
    return _Run(plan, prepared, made, read_registry(plan.root)).use(train)


@dataclass(frozen=True)
class _Run:
    plan: Plan
    prepared: Prepared
    made: Made
    registry: Registry

    @property
    def champions(self) -> Champions:
        return Champions(self.plan, self.prepared, self.registry)

    def use(self, train: Train) -> Use:
        scored = self._scored()
        watched = self._watch(scored) if scored else None
        use = Use(InUse(watched, _compared(self.plan, self.registry)), self._turns(scored))
        if train == "now" or (train == "due" and self._is_due(scored, watched)):
            use = self._trained(use)
        return use

    def _scored(self) -> dict[str, ArtifactRef]:
        """What the models in use say of the partitions; a new one that cannot be used is told."""
        found = {partition: self.champions.scored(partition) for partition in self.plan.history}
        entry = self.registry.in_use_for(self.plan.target)
        if entry is not None and found[self.plan.target] is None:
            get_run_logger().warning(
                "the model in use, %s, cannot score %s: its files are gone or changed, or it "
                "reads other columns, or texts by another encoder",
                entry.id, self.plan.target,
            )  # fmt: skip
        return {partition: ref for partition, ref in found.items() if ref is not None}

    def _watch(self, scored: dict[str, ArtifactRef]) -> ArtifactRef:
        watching, window = self.champions.watching(scored), self.made.window
        job = watch_job(self.plan.root, self.plan.target, window, watching)
        return watch_models(job, window, watching)

    def _turns(self, scored: dict[str, ArtifactRef]) -> dict[str, Turn]:
        """The partitions whose model was settled by this run."""
        asked = [*scored, self.plan.target]
        new = [partition for partition in asked if partition not in self.registry.turns]
        entries = {partition: self.registry.in_use_for(partition) for partition in new}
        return {
            partition: Turn(champion=entry.id if entry else None)
            for partition, entry in entries.items()
        }

    def _is_due(self, scored: dict[str, ArtifactRef], watched: ArtifactRef | None) -> bool:
        """Whether the model in use should be followed by a new one."""
        current, target = self.registry.current, self.plan.target
        if current is None or target == ALL or not self.champions.is_there(current):
            return True
        if target <= current.partition:
            return False
        if target not in scored or watched is None:
            return True
        summary = read_json(watched, SUMMARY)
        return bool(summary["model"] == current.id and summary["due"])

    def _trained(self, use: Use) -> Use:
        """Train a model, hold it against the one in use, and decide."""
        made, window = self._ingredients(), self.made.window
        job = model_job(self.plan.root, self.plan.target, window, made)
        ref = train_model(job, window, made)
        entry = entry_of(ref, read_about(ref))
        current = self.registry.current
        if current is not None and current.id == entry.id:
            return use
        compared = self._challenged(current, ref, entry) if current else None
        event = self._decide(current, entry, compared)
        turns = use.turns
        if compared is not None:
            use = replace(use, shown=replace(use.shown, challenge=compared))
            target = self.plan.target
            turn = turns.get(target) or self.registry.turns[target]
            turn = turn.model_copy(update={"challenge": compared.name})
            turns = {**turns, target: turn}
        return replace(use, turns=turns, entry=entry, event=event)

    def _ingredients(self) -> Ingredients:
        settings = self.plan.settings
        return Ingredients(
            classes=self.made.classes,
            topics=self.made.topics,
            classifying=settings.classify,
            fusing=settings.fuse,
            anomaly=settings.anomaly,
            number=settings.columns.label_kind == "number",
            reading=reading_of(settings),
            encoder=self.prepared.encoder,
        )

    def _challenged(self, current: Entry, ref: ArtifactRef, entry: Entry) -> ArtifactRef | None:
        """The comparison with the model in use, where both foretell a label of these rows."""
        champion = self.champions.readable(current)
        if champion is None or not (current.label and entry.label):
            return None
        plan, window, classes = self.plan, self.made.window, self.made.classes
        pair, settings = (champion, ref), plan.settings.models
        job = challenge_job(plan.root, plan.target, window, classes, pair, settings)
        return challenge(job, window, classes, pair, settings)

    def _decide(
        self, current: Entry | None, entry: Entry, compared: ArtifactRef | None
    ) -> Event | None:
        """What becomes of a new model; nothing if that was decided before."""
        if self.registry.decided(entry.id):
            return None
        now = datetime.now(UTC)
        if current is None:
            why = "there was no model before"
            return Event(at=now, action="first", model=entry.id, before=None, why=why)
        better, why = _verdict(current, entry, compared, self.champions)
        auto = self.plan.settings.models.promote == "auto"
        older = self.plan.target < current.partition
        if older:
            why = f"{entry.id} is of an earlier partition than {current.id}"
        elif better and not auto:
            why += "; models.promote is hand"
        return Event(
            at=now,
            action="promoted" if better and auto and not older else "kept",
            model=entry.id,
            before=current.id,
            why=why,
            challenge=compared.name if compared else None,
        )


def _verdict(
    current: Entry, entry: Entry, compared: ArtifactRef | None, champions: Champions
) -> tuple[bool, str]:
    """Whether a new model may take the place of the one in use, and why."""
    if compared is not None:
        summary = read_json(compared, SUMMARY)
        values = {name: summary[name] for name in Comparison.__dataclass_fields__}
        found = Comparison(**values)
        return found.not_worse, told(found, current.id, entry.id)
    if not champions.is_there(current):
        return True, f"{current.id} is gone or changed, so the new one is used"
    if current.label and not entry.label:
        return False, f"{entry.id} foretells no label, as {current.id} does"
    if champions.readable(current) is None:
        return False, (
            f"{current.id} does not read these rows, so nothing could be compared; to use the new "
            f"one: fusemine promote PIPELINE {entry.id}"
        )
    what = "neither foretells a label" if not entry.label else f"{current.id} foretells no label"
    return True, f"{what}, so the newer one is used"
